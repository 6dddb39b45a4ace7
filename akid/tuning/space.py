"""Space: distributions that stand in a parameter list where values are sampled.

Names, arguments and meaning are those of Ray Tune's search space API (Ray documentation, "Tune
Search Space API"); `base` is left out, because it changes no law. A distribution is a description
only: nothing heavy is loaded to write one down, and it is drawn from with a number that the caller
gives, so that a draw depends on nothing else.
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any, Final, final

from akid.errors import GridError


@final
@dataclass(frozen=True, slots=True, repr=False)
class Distribution:
    """A law that a parameter's value is drawn from; made by the functions of this module.

    Attributes:
        name: How the function is called that made it.
        arguments: What that was given.

    >>> loguniform(1e-4, 0.1)
    loguniform(0.0001, 0.1)
    """

    name: str
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(repr(argument) for argument in self.arguments)})"

    def draw(self, unit: float) -> Any:
        """Return the value at the quantile `unit`, which is at least 0 and below 1.

        >>> uniform(0.0, 2.0).draw(0.25), choice(["relu", "tanh"]).draw(0.5)
        (0.5, 'tanh')
        """
        return _LAWS[self.name](unit, *self.arguments)


def uniform(lower: float, upper: float) -> Distribution:
    """Return the law of floats between two bounds, each alike."""
    return Distribution("uniform", _floats("uniform", lower, upper))


def quniform(lower: float, upper: float, q: float) -> Distribution:
    """Return the law of the multiples of `q` from `lower` to `upper`, both included."""
    return Distribution("quniform", _steps("quniform", float, lower, upper, q))


def loguniform(lower: float, upper: float) -> Distribution:
    """Return the law of floats whose logarithm is uniform between the bounds' logarithms."""
    return Distribution("loguniform", _floats("loguniform", lower, upper, positive=True))


def qloguniform(lower: float, upper: float, q: float) -> Distribution:
    """Return the law of `loguniform`, rounded to multiples of `q` within the bounds."""
    _floats("qloguniform", lower, upper, positive=True)
    return Distribution("qloguniform", _steps("qloguniform", float, lower, upper, q))


def randn(mean: float = 0.0, sd: float = 1.0) -> Distribution:
    """Return the normal law with this mean and standard deviation."""
    return Distribution("randn", _normal("randn", mean, sd))


def qrandn(mean: float, sd: float, q: float) -> Distribution:
    """Return the normal law, rounded to multiples of `q`."""
    return Distribution("qrandn", (*_normal("qrandn", mean, sd), _step("qrandn", float, q)))


def randint(lower: int, upper: int) -> Distribution:
    """Return the law of the ints from `lower` up to, and without, `upper`."""
    return Distribution("randint", _ints("randint", lower, upper))


def qrandint(lower: int, upper: int, q: int = 1) -> Distribution:
    """Return the law of the multiples of `q` from `lower` to `upper`, both included."""
    return Distribution("qrandint", _steps("qrandint", int, lower, upper, q))


def lograndint(lower: int, upper: int) -> Distribution:
    """Return the law of ints, from `lower` and without `upper`, uniform in their logarithm."""
    return Distribution("lograndint", _ints("lograndint", lower, upper, positive=True))


def qlograndint(lower: int, upper: int, q: int) -> Distribution:
    """Return the law of `lograndint`, rounded to multiples of `q`; `upper` is included."""
    _ints("qlograndint", lower, upper, positive=True)
    return Distribution("qlograndint", _steps("qlograndint", int, lower, upper, q))


def choice(categories: Sequence[Any]) -> Distribution:
    """Return the law of some values, each alike; a value may have distributions in it."""
    if not isinstance(categories, list | tuple) or not categories:
        raise GridError(f"choice: expected a list of at least one value, got {categories!r}.")
    return Distribution("choice", (list(categories),))


FUNCTIONS: Final[Mapping[str, Callable[..., Distribution]]] = {
    function.__name__: function
    for function in (
        uniform,
        quniform,
        loguniform,
        qloguniform,
        randn,
        qrandn,
        randint,
        qrandint,
        lograndint,
        qlograndint,
        choice,
    )
}
"""What makes distributions, by name."""

Pick = Callable[[str, Distribution], Any]


def fill(value: Any, path: str, pick: Pick) -> Any:
    """Return `value` with what `pick` gives in the place of each distribution.

    Args:
        value: A parameter, or dicts and lists of them.
        path: Its dotted name, for example `opt`.
        pick: Called with a distribution's dotted name and the distribution.

    >>> fill({"lr": uniform(0, 1), "decay": 2}, "opt", lambda path, law: path)
    {'lr': 'opt.lr', 'decay': 2}
    """
    if isinstance(value, Distribution):
        return fill(pick(path, value), path, pick)
    if isinstance(value, dict):
        return {key: fill(item, f"{path}.{key}", pick) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill(item, f"{path}.{n}", pick) for n, item in enumerate(value))
    return value


def distributions(value: Any, path: str) -> Iterator[tuple[str, Distribution]]:
    """Yield the distributions of a parameter with their dotted names, not those in a choice."""
    if isinstance(value, Distribution):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from distributions(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from distributions(item, f"{path}.{number}")


def parse(text: str) -> Distribution | None:
    """Return the distribution that a text writes down, or None if it is no call of that kind.

    Raises:
        GridError: If the arguments are wrong.

    >>> parse("loguniform(1e-4, 1e-1)"), parse("relu")
    (loguniform(0.0001, 0.1), None)
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    function = FUNCTIONS.get(call.func.id)
    if function is None:
        raise GridError(
            f"expected one of {', '.join(FUNCTIONS)}, got {call.func.id!r} in {text!r}."
        )
    try:
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return function(*positional, **named)
    except (ValueError, TypeError) as error:
        if isinstance(error, GridError):
            raise
        raise GridError(
            f"{call.func.id}: expected its arguments as Python literals, got {text!r}: {error}."
        ) from error


def _floats(
    name: str, lower: object, upper: object, *, positive: bool = False
) -> tuple[float, float]:
    low, high = _number(name, lower), _number(name, upper)
    if not low < high or (positive and low <= 0):
        least = "0 < lower < upper" if positive else "lower < upper"
        raise GridError(f"{name}: expected {least}, got lower={lower!r}, upper={upper!r}.")
    return low, high


def _ints(name: str, lower: object, upper: object, *, positive: bool = False) -> tuple[int, int]:
    _floats(name, lower, upper, positive=positive)
    return _int(name, lower), _int(name, upper)


def _steps(
    name: str, kind: Callable[[Any], Any], lower: object, upper: object, q: object
) -> tuple[Any, Any, Any]:
    _floats(name, lower, upper)
    step = _step(name, kind, q)
    convert = (lambda value: _int(name, value)) if kind is int else kind
    low, high = convert(lower), convert(upper)
    if math.ceil(_in_steps(low, step)) > math.floor(_in_steps(high, step)):
        raise GridError(f"{name}: expected a multiple of {q!r} from {lower!r} to {upper!r}.")
    return low, high, step


def _step(name: str, kind: Callable[[Any], Any], q: object) -> Any:
    step = _int(name, q) if kind is int else _number(name, q)
    if step <= 0:
        raise GridError(f"{name}: expected q above 0, got q={q!r}.")
    return step


def _normal(name: str, mean: object, sd: object) -> tuple[float, float]:
    center, deviation = _number(name, mean), _number(name, sd)
    if deviation <= 0:
        raise GridError(f"{name}: expected sd above 0, got sd={sd!r}.")
    return center, deviation


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GridError(f"{name}: expected finite numbers, got {value!r}.")
    return float(value)


def _int(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GridError(f"{name}: expected ints, got {value!r}.")
    return int(value)


def _in_steps(value: float, q: float) -> Decimal:
    return Decimal(repr(value)) / Decimal(repr(q))


def _multiple(number: int, q: float) -> Any:
    """Return `number * q` as one writes it: 3 * 0.1 is 0.3."""
    return number * q if isinstance(q, int) else float(number * Decimal(repr(q)))


def _uniform(unit: float, lower: float, upper: float) -> float:
    return min(lower + unit * (upper - lower), upper)


def _log_uniform(unit: float, lower: float, upper: float) -> float:
    value = math.exp(_uniform(unit, math.log(lower), math.log(upper)))
    return min(max(value, lower), upper)


def _int_uniform(unit: float, lower: int, upper: int) -> int:
    return min(lower + math.floor(unit * (upper - lower)), upper - 1)


def _int_log_uniform(unit: float, lower: int, upper: int) -> int:
    return min(max(math.floor(_log_uniform(unit, lower, upper)), lower), upper - 1)


def _any_multiple(unit: float, lower: float, upper: float, q: float) -> Any:
    first, last = math.ceil(_in_steps(lower, q)), math.floor(_in_steps(upper, q))
    return _multiple(_int_uniform(unit, first, last + 1), q)


def _log_multiple(unit: float, lower: float, upper: float, q: float) -> Any:
    first, last = math.ceil(_in_steps(lower, q)), math.floor(_in_steps(upper, q))
    return _multiple(min(max(round(_log_uniform(unit, lower, upper) / q), first), last), q)


def _gaussian(unit: float, mean: float, sd: float) -> float:
    return NormalDist(mean, sd).inv_cdf(max(unit, 2.0**-54))


def _gaussian_multiple(unit: float, mean: float, sd: float, q: float) -> Any:
    return _multiple(round(_gaussian(unit, mean, sd) / q), q)


def _category(unit: float, categories: Sequence[Any]) -> Any:
    return categories[_int_uniform(unit, 0, len(categories))]


_LAWS: Final[Mapping[str, Callable[..., Any]]] = {
    "uniform": _uniform,
    "quniform": _any_multiple,
    "loguniform": _log_uniform,
    "qloguniform": _log_multiple,
    "randn": _gaussian,
    "qrandn": _gaussian_multiple,
    "randint": _int_uniform,
    "qrandint": _any_multiple,
    "lograndint": _int_log_uniform,
    "qlograndint": _log_multiple,
    "choice": _category,
}
