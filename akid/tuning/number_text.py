"""Number text: how numbers stand in tables and sentences."""

import math

from akid.tuning.results import Spread


def amount(n: int, what: str) -> str:
    """Return a number with its noun.

    >>> amount(1, "repeat"), amount(2, "repeat")
    ('1 repeat', '2 repeats')
    """
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def number(value: float) -> str:
    """Return four decimals, four digits of what is very small or large, a dash for NaN.

    >>> number(0.98125), number(1234567.0), number(float("nan"))
    ('0.9812', '1.235e+06', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def spread(value: Spread) -> str:
    """Return mean and standard deviation, or the mean alone of fewer than two values.

    >>> spread(Spread(mean=0.5, std=0.25, n=2))
    '0.5000 ± 0.2500'
    """
    if math.isnan(value.std):
        return number(value.mean)
    return f"{number(value.mean)} ± {number(value.std)}"
