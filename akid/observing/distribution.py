"""Distribution: how the values of a tensor are spread, in few numbers (percentiles, histogram)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

PERCENTILES: Final = (100, 93, 84, 69, 50, 31, 16, 7, 0)
"""From the maximum to the minimum; of a normal distribution, mean + 1.5, 1, 0.5, ... deviations."""

_NUM_BINS: Final = 64
_MAX_SAMPLE: Final = 1 << 17


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The spread of a tensor's values; those that are not finite are only counted.

    Attributes:
        percentiles: The values at `PERCENTILES`, from large to small; NaN if no value is finite.
        counts: How many values fall into each of the bins of equal width from minimum to maximum.
        num: How many values are finite.
        num_bad: How many are not.
        mean: Their mean.
        mean_square: The mean of their squares.
    """

    percentiles: tuple[float, ...]
    counts: tuple[int, ...]
    num: int
    num_bad: int
    mean: float
    mean_square: float

    @property
    def edges(self) -> tuple[float, ...]:
        """The bounds of the bins, one more than there are bins."""
        low, high = self.percentiles[-1], self.percentiles[0]
        return tuple(np.linspace(low, high, len(self.counts) + 1).tolist())


def describe(tensor: Tensor) -> Distribution:
    """Return the distribution of a tensor's values.

    Minimum, maximum and means are exact. The other percentiles and the histogram of more than
    131,072 values are those of evenly spaced ones of them.

    Shape:
        input: any, on any device.

    >>> [round(value) for value in describe(torch.arange(101)).percentiles]
    [100, 93, 84, 69, 50, 31, 16, 7, 0]
    """
    values = tensor.detach().flatten().float()
    num_all = values.numel()
    if not bool(torch.isfinite(values).all()):
        values = values[torch.isfinite(values)]
    num = values.numel()
    if num == 0:
        nothing = (float("nan"),) * len(PERCENTILES)
        return Distribution(
            percentiles=nothing,
            counts=(0,) * _NUM_BINS,
            num=0,
            num_bad=num_all,
            mean=float("nan"),
            mean_square=float("nan"),
        )
    exact = torch.stack([values.min(), values.max(), values.mean(), values.square().mean()])
    low, high, mean, mean_square = exact.tolist()
    sample = values[:: -(-num // _MAX_SAMPLE)].cpu().numpy().astype(np.float64)
    inner = np.percentile(sample, PERCENTILES[1:-1])
    counts, _ = np.histogram(sample, bins=_NUM_BINS, range=(low, high))
    return Distribution(
        percentiles=(high, *inner.tolist(), low),
        counts=tuple(counts.tolist()),
        num=num,
        num_bad=num_all - num,
        mean=mean,
        mean_square=mean_square,
    )
