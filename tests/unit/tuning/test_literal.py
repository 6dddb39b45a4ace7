"""Literals: what is written is read back as the same value."""

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.literal import kind, literal, long_text

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_a_literal_gives_the_value_back(value: object) -> None:
    """Evaluating the text gives an equal value that is written the same."""
    back = eval(literal(value), {})

    assert back == value
    assert literal(back) == literal(value)


@given(values)
def test_a_literal_holds_together_beside_any_operator(value: object) -> None:
    """A negative number is put into brackets, so that a power or a call binds as with a name."""
    assert ast.dump(ast.parse(f"x = {literal(value)} ** y").body[0].value.op) == "Pow()"


@given(values)
def test_a_kind_is_stable(value: object) -> None:
    """The kind of a literal depends on its form alone, and is short."""
    assert kind(literal(value)) == kind(literal(value))
    assert len(kind(literal(value))) <= len("float('nan')")


def test_what_is_not_finite_is_a_call() -> None:
    """`nan` and `inf` are no Python literals, so they are written as calls."""
    assert math.isnan(eval(literal(float("nan"))))
    assert literal([float("-inf")]) == "[-float('inf')]"


def test_strings_keep_their_quotes() -> None:
    """Deficiency of the first akid: strings lost their quotes."""
    assert literal("it's") == '"it\'s"'


def test_what_has_no_literal_is_refused() -> None:
    """An object is named with its type."""
    with pytest.raises(TypeError, match=r"got \{1\} \(set\)"):
        literal({1})


@given(st.text("a\"\\'\né{", max_size=12))
def test_a_long_text_gives_the_text_back(text: str) -> None:
    """Whatever quotes are in it, and with its lines as lines."""
    written = long_text(text)

    assert ast.literal_eval(written) == text
    assert written.count("\n") == text.count("\n") + 1
