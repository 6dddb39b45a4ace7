"""Significance: intervals of means, and which differences chance does not explain.

A mean's confidence interval follows Student's t distribution. Two means are compared by Welch's t
test (Welch 1947), which lets their spreads differ. Many tests are corrected together by Holm's
method (Holm 1979), so that among many pairs chance alone makes none significant more often than it
may.
"""

import math
from collections.abc import Sequence

from akid.tuning.results import Spread


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values after Holm's correction; NaN stays NaN and does not count.

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for place, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - place)))
        corrected[index] = largest
    return corrected


def half_width(value: Spread, confidence: float) -> float:
    """Return half of the confidence interval of a mean; NaN of fewer than two values."""
    if value.n < 2:
        return math.nan
    return _t_quantile(value.n - 1, confidence) * value.std / math.sqrt(value.n)


def welch(first: Spread, second: Spread, confidence: float) -> tuple[float, float]:
    """Return the p value of two means' difference and half of its confidence interval.

    Both are NaN where neither spreads: then the numbers say nothing about chance.
    """
    parts = [value.std**2 / value.n for value in (first, second)]
    error = math.sqrt(sum(parts))
    if not error > 0:
        return math.nan, math.nan
    shares = [part / sum(parts) for part in parts]
    degrees = [value.n - 1 for value in (first, second)]
    freedom = 1 / sum(s**2 / d for s, d in zip(shares, degrees, strict=True))
    t = abs(first.mean - second.mean) / error
    return 2 * _t_below(freedom, -t), _t_quantile(freedom, confidence) * error


def _t_below(freedom: float, t: float) -> float:
    """Return the part of Student's distribution that lies below `t`."""
    from scipy.special import stdtr  # type: ignore[import-untyped]

    return float(stdtr(freedom, t))


def _t_quantile(freedom: float, confidence: float) -> float:
    """Return the t value within which the middle `confidence` of the distribution lies."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
