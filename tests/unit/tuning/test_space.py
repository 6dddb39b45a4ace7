"""Distributions: their laws, their arguments, and how they are written."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import GridError
from akid.tuning import space
from akid.tuning.grid import check_parameter_list, override, parse_setting
from akid.tuning.space import FUNCTIONS, Distribution, parse

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "uniform": (-1, 2),
    "quniform": (0, 1, 0.1),
    "loguniform": (1e-4, 0.1),
    "qloguniform": (1e-3, 1, 1e-3),
    "randn": (5, 2),
    "qrandn": (5, 2, 0.2),
    "randint": (-3, 4),
    "qrandint": (8, 64, 8),
    "lograndint": (1, 1000),
    "qlograndint": (4, 1000, 4),
    "choice": (["relu", None, 3],),
}
LAWS = [FUNCTIONS[name](*arguments) for name, arguments in EXAMPLES.items()]
units = st.floats(0, 1, exclude_max=True)


def test_every_function_has_an_example() -> None:
    """The laws below are all there are."""
    assert list(EXAMPLES) == list(FUNCTIONS)


@pytest.mark.parametrize("law", LAWS, ids=str)
@given(unit=units)
def test_a_draw_is_within_the_bounds(law: Distribution, unit: float) -> None:
    """Ints without the upper bound, floats and steps with it."""
    value = law.draw(unit)

    if law.name == "choice":
        assert value in law.arguments[0]
    elif "randn" not in law.name:
        low, high = law.arguments[:2]
        assert low <= value <= high
        assert value < high or law.name not in ("randint", "lograndint")
        assert isinstance(value, int) == ("int" in law.name)


@pytest.mark.parametrize("law", [law for law in LAWS if law.name != "choice"], ids=str)
@given(one=units, other=units)
def test_a_draw_grows_with_its_quantile(law: Distribution, one: float, other: float) -> None:
    """Each law is drawn from by the inverse of its distribution function."""
    assert law.draw(min(one, other)) <= law.draw(max(one, other))


def test_multiples_are_written_as_one_writes_them() -> None:
    """0.3, not 0.30000000000000004."""
    values = {space.quniform(0, 1, 0.1).draw(k / 50) for k in range(50)}

    assert sorted(values) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: space.uniform(2, 1), "uniform: expected lower < upper, got lower=2, upper=1"),
        (lambda: space.loguniform(0, 1), "loguniform: expected 0 < lower < upper, got lower=0"),
        (lambda: space.uniform("a", 1), "uniform: expected finite numbers, got 'a'"),
        (lambda: space.uniform(0, float("inf")), "uniform: expected finite numbers, got inf"),
        (lambda: space.randint(0, 1.5), "randint: expected ints, got 1.5"),
        (lambda: space.quniform(0, 1, 0), "quniform: expected q above 0, got q=0"),
        (lambda: space.qrandint(5, 7, 4), "qrandint: expected a multiple of 4 from 5 to 7"),
        (lambda: space.randn(0, 0), "randn: expected sd above 0, got sd=0"),
        (lambda: space.choice([]), "choice: expected a list of at least one value, got []"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, message: str) -> None:
    """The message names the function, what was expected and what came."""
    with pytest.raises(GridError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_what_is_printed_can_be_read_again(law: Distribution) -> None:
    """`repr` and `parse` are inverse."""
    assert parse(repr(law)) == law


def test_only_distributions_are_called() -> None:
    """Nothing else of what is written is evaluated."""
    assert parse("relu") is None
    assert parse("a.b(1)") is None
    with pytest.raises(GridError, match=r"expected one of uniform, .*, got 'exit'"):
        parse("exit(1)")
    with pytest.raises(GridError, match="uniform: expected its arguments as Python literals"):
        parse("uniform(0, __import__('os'))")


def test_the_command_line_takes_distributions() -> None:
    """`--set opt.lr=loguniform(1e-4, 1e-1)`, also beside values."""
    which, path, values = parse_setting("opt.lr=0.5,loguniform(1e-4, 1e-1)")

    assert (which, path, values) == ("opt", ("lr",), (0.5, space.loguniform(1e-4, 0.1)))
    assert override([{"lr": 1}], path, values) == ({"lr": 0.5}, {"lr": space.loguniform(1e-4, 0.1)})
    with pytest.raises(GridError, match="--set: uniform: expected lower < upper"):
        parse_setting("opt.lr=uniform(1, 0)")


def test_what_can_be_chosen_has_to_be_literals() -> None:
    """A choice's values are checked like all others."""
    with pytest.raises(GridError, match=r"expected None, a bool, .* got .*built-in function"):
        check_parameter_list("net_paras_list", [{"act": space.choice([len])}])
