"""Intervals and tests agree with scipy's, and the correction obeys its laws."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from akid.tuning.results import spread
from akid.tuning.significance import half_width, holm, welch

p_values = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=8)
samples = st.lists(st.integers(0, 1000).map(lambda x: x / 1000), min_size=2, max_size=6)


@given(p_values)
def test_holm_never_makes_a_p_value_smaller(values: list[float]) -> None:
    """Corrected values keep their order, are at least as large, at most 1; NaN does not count."""
    corrected = holm(values)
    pairs = sorted((p, c) for p, c in zip(values, corrected, strict=True) if not math.isnan(p))

    assert all(p <= c <= 1 for p, c in pairs)
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)
    assert [math.isnan(c) for c in corrected] == [math.isnan(p) for p in values]
    assert holm([p for p in values if not math.isnan(p)]) == [
        c for c in corrected if not math.isnan(c)
    ]


@given(samples, samples)
def test_welch_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    """The p value is that of the test for unequal spreads; NaN where nothing spreads."""
    one, two = spread(first), spread(second)

    p, half = welch(one, two, 0.95)

    if one.std == two.std == 0:
        assert math.isnan(p)
        assert math.isnan(half)
        return
    expected = stats.ttest_ind_from_stats(
        one.mean, one.std, one.n, two.mean, two.std, two.n, equal_var=False
    )
    assert p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (p < 0.05) == (abs(one.mean - two.mean) > half)


def test_two_welch_tests_are_the_same_both_ways() -> None:
    """The order of the two means does not matter."""
    first, second = spread([1, 2, 4]), spread([2, 5])

    assert welch(first, second, 0.95) == welch(second, first, 0.95)


def test_one_value_has_no_interval() -> None:
    """Two are the least."""
    assert math.isnan(half_width(spread([1.0]), 0.95))
    assert half_width(spread([1.0, 1.0]), 0.95) == 0
