"""Tally: metrics averaged over samples, summed where they are and fetched once."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor


@final
class Tally:
    """Averages metrics of batches of different sizes: each sample counts the same.

    >>> tally = Tally()
    >>> tally.add(3, {"loss": torch.tensor(1.0)})
    >>> tally.add(1, {"loss": torch.tensor(5.0)})
    >>> tally.means()
    {'loss': 2.0}
    """

    def __init__(self) -> None:
        self.num_samples = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, num_samples: int, means: Mapping[str, Tensor]) -> None:
        """Take in the means over one batch; nothing waits for the device."""
        self.num_samples += num_samples
        for name, mean in means.items():
            sum_ = mean.detach().to(torch.float64) * num_samples
            self._sums[name] = self._sums[name] + sum_ if name in self._sums else sum_

    def means(self) -> dict[str, float]:
        """Return the means over all samples; this waits for the device, once."""
        if not self._sums:
            return {}
        values = (torch.stack(list(self._sums.values())) / self.num_samples).tolist()
        return dict(zip(self._sums, values, strict=True))
