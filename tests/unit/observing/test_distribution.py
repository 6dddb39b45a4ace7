import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from akid.observing.distribution import PERCENTILES, describe

floats = st.floats(-1e6, 1e6, width=32)


@given(values=st.lists(floats, min_size=1, max_size=50))
def test_percentiles_fall_from_the_maximum_to_the_minimum(values: list[float]) -> None:
    """And they are numpy's; each value lies in a bin."""
    tensor = torch.tensor(values)

    spread = describe(tensor)

    assert spread.percentiles == pytest.approx(np.percentile(tensor.double(), PERCENTILES))
    assert list(spread.percentiles) == sorted(spread.percentiles, reverse=True)
    assert sum(spread.counts) == spread.num == len(values)
    assert spread.edges[0] == spread.percentiles[-1]


def test_a_normal_distribution_has_its_deviations_as_percentiles() -> None:
    """1.5, 1 and 0.5 deviations around the mean, also where a sample of a large tensor is taken."""
    values = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))

    spread = describe(values)

    assert spread.percentiles[1:-1] == pytest.approx((1.5, 1, 0.5, 0, -0.5, -1, -1.5), abs=0.03)
    assert spread.percentiles[0] == float(values.max())
    assert spread.mean_square == pytest.approx(1, abs=0.01)


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    """A picture of a diverging brain shows what is left."""
    spread = describe(torch.tensor([1.0, math.nan, math.inf, 3.0]))

    assert (spread.num, spread.num_bad) == (2, 2)
    assert (spread.percentiles[0], spread.percentiles[-1], spread.mean) == (3.0, 1.0, 2.0)


@pytest.mark.parametrize("tensor", [torch.empty(0), torch.full((2,), math.nan)])
def test_nothing_finite_gives_nan(tensor: torch.Tensor) -> None:
    """And empty bins."""
    spread = describe(tensor)

    assert all(map(math.isnan, spread.percentiles))
    assert sum(spread.counts) == 0


def test_other_types_are_described_as_numbers() -> None:
    """Half precision, integers and truth values."""
    for tensor in (torch.tensor([0, 1]), torch.tensor([False, True]), torch.tensor([0, 1]).half()):
        assert describe(tensor).mean == 0.5
