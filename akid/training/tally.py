"""Tally: metrics averaged over samples, summed where they are and fetched once."""

from collections.abc import Iterable, Mapping
from typing import Self, final

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
        self.sums: dict[str, Tensor] = {}

    def add(self, num_samples: int, means: Mapping[str, Tensor]) -> None:
        """Take in the means over one batch; nothing waits for the device."""
        self.num_samples += num_samples
        for name, mean in means.items():
            sum_ = mean.detach().to(torch.float64) * num_samples
            self.sums[name] = self.sums[name] + sum_ if name in self.sums else sum_

    def means(self) -> dict[str, float]:
        """Return the means over all samples; this waits for the device, once."""
        if not self.sums:
            return {}
        values = (torch.stack(list(self.sums.values())) / self.num_samples).tolist()
        return dict(zip(self.sums, values, strict=True))

    def detached(self) -> Self:
        """Return a copy on the CPU; this waits for the device, once."""
        copy = type(self)()
        copy.num_samples = self.num_samples
        if self.sums:
            moved = torch.stack(list(self.sums.values())).cpu()
            copy.sums = dict(zip(self.sums, moved, strict=True))
        return copy

    @classmethod
    def joined(cls, tallies: Iterable[Self]) -> Self:
        """Return the tally of all samples of several tallies.

        >>> tallies = [Tally(), Tally(), Tally()]
        >>> tallies[0].add(3, {"loss": torch.tensor(1.0)})
        >>> tallies[2].add(1, {"loss": torch.tensor(5.0)})
        >>> Tally.joined(tallies).means()
        {'loss': 2.0}
        """
        whole = cls()
        for tally in tallies:
            whole.num_samples += tally.num_samples
            for name, sum_ in tally.sums.items():
                whole.sums[name] = whole.sums[name] + sum_ if name in whole.sums else sum_
        return whole
