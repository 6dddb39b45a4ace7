"""Tally: metrics averaged over samples, summed where they are and fetched once.

What metrics are computed of that are no means is kept for all samples.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, final

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
        self.sums: dict[Any, Tensor] = {}
        self.parts_seen: defaultdict[str, list[Sequence[Tensor]]] = defaultdict(list)

    def add(
        self,
        num_samples: int,
        means: Mapping[Any, Tensor],
        seen: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> None:
        """Take in one batch; nothing waits for the device.

        Args:
            num_samples: How many samples it has.
            means: Metrics that are means over it.
            seen: What others are computed of, by who computes them; the samples first.
        """
        self.num_samples += num_samples
        for name, mean in means.items():
            sum_ = mean.detach().to(torch.float64) * num_samples
            self.sums[name] = self.sums[name] + sum_ if name in self.sums else sum_
        for path, tensors in (seen or {}).items():
            self.parts_seen[path].append(tensors)

    def seen(self) -> dict[str, list[Tensor]]:
        """Return what was seen of all samples, in the order of their batches.

        >>> tally = Tally()
        >>> for scores in ([0.1, 0.2], [0.3]):
        ...     tally.add(len(scores), {}, {"auc": [torch.tensor(scores)]})
        >>> tally.seen()
        {'auc': [tensor([0.1000, 0.2000, 0.3000])]}
        """
        return {
            path: [torch.cat(tensors) for tensors in zip(*batches, strict=True)]
            for path, batches in self.parts_seen.items()
        }

    def means(self) -> dict[Any, float]:
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
        for path, tensors in self.seen().items():
            copy.parts_seen[path] = [[tensor.cpu() for tensor in tensors]]
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
            for path, batches in tally.parts_seen.items():
                whole.parts_seen[path].extend(batches)
        return whole
