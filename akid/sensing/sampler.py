"""Samplers: in which order a sensor reads the training examples."""

from abc import ABC, abstractmethod
from typing import Any, Final, NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from akid.core import seeding
from akid.errors import SetupError

SamplerSpec: TypeAlias = "str | dict[str, Any] | Sampler"
"""A registered name ("shuffle"), `{"name": "shuffle", ...}`, or a sampler."""


class Cursor(NamedTuple):
    """Where a sampler stands: the epoch, and how many of its examples were already given."""

    epoch: int = 0
    position: int = 0


class Sampler(ABC):
    """Walks through the examples, epoch after epoch; none is dropped, the last batch is short.

    A subclass says the order of an epoch, as a function of the epoch alone (and of the seed): that
    is why two numbers, the cursor, are enough to go on in the middle of an epoch.

    >>> sampler = SequenceSampler()
    >>> sampler.setup(5)
    >>> [sampler.next(2).tolist() for _ in range(4)]
    [[0, 1], [2, 3], [4], [0, 1]]
    """

    def __init__(self) -> None:
        self.num_samples = 0
        self.seed = 0
        self._cursor = Cursor()
        self._order: Tensor | None = None
        self._device = torch.device("cpu")
        self._rank, self._num_workers = 0, 1

    def setup(
        self,
        num_samples: int,
        *,
        seed: int = 0,
        labels: Tensor | None = None,  # noqa: ARG002 - for those that look at them
    ) -> None:
        """Say what is walked through, and start at the first epoch.

        Args:
            num_samples: How many examples there are, at least 1.
            seed: What every random order is derived from.
            labels: The class of each example, for samplers that look at it.

        Raises:
            SetupError: If there is nothing to walk through.
        """
        if num_samples < 1:
            raise SetupError(
                f"{type(self).__name__}: expected at least 1 sample,"
                f" got num_samples={num_samples!r}."
            )
        self.num_samples = num_samples
        self.seed = seed
        self.seek(Cursor())

    @abstractmethod
    def order(self, epoch: int) -> Tensor:
        """Return the indices of that epoch in their order: int64, `(num_samples,)`, on the CPU."""

    @property
    def cursor(self) -> Cursor:
        """Where the sampler stands."""
        return self._cursor

    def seek(self, cursor: Cursor) -> None:
        """Go to a place; what comes next depends on nothing else."""
        self._cursor = cursor
        self._order = None

    def to(self, device: torch.device) -> None:
        """Give indices on that device from now on; an epoch's indices are copied at once."""
        self._device = device
        self._order = None

    def share(self, rank: int, num_workers: int) -> None:
        """Give only every `num_workers`-th index of each batch, from the `rank`-th on.

        The shares of all workers are disjoint and together exactly the batch that one would get.

        Raises:
            SetupError: If rank is not in [0, num_workers).
        """
        if not 0 <= rank < num_workers:
            raise SetupError(
                f"{type(self).__name__}: expected 0 <= rank < num_workers, got rank={rank!r},"
                f" num_workers={num_workers!r}."
            )
        self._rank, self._num_workers = rank, num_workers

    def peek(self, size: int) -> Tensor:
        """Return the indices that `next(size)` will give, without going on."""
        if self._order is None:
            self._order = self.order(self._cursor.epoch).to(self._device)
        start = self._cursor.position
        indices = self._order[start : start + size]
        return indices if self._num_workers == 1 else indices[self._rank :: self._num_workers]

    def next(self, size: int) -> Tensor:
        """Return the next `size` indices, or those that are left of the epoch, and go on.

        Shape:
            output: `(size,)` or shorter, int64.
        """
        indices = self.peek(size)
        epoch, position = self._cursor
        if position + size < self.num_samples:
            self._cursor = Cursor(epoch, position + size)
        else:
            self._cursor, self._order = Cursor(epoch + 1), None
        return indices

    def take(self, size: int) -> Tensor:
        """Return exactly `size` indices, across the ends of epochs."""
        parts: list[Tensor] = []
        while size > 0:
            parts.append(self.next(min(size, self.num_samples)))
            size -= len(parts[-1])
        return torch.cat(parts)


@final
class SequenceSampler(Sampler):
    """The source's own order, the same in every epoch."""

    def order(self, epoch: int) -> Tensor:  # noqa: ARG002 - every epoch is the same
        return torch.arange(self.num_samples)


@final
class ShuffleSampler(Sampler):
    """A new permutation in every epoch, derived from the seed and the epoch's number."""

    def order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seeding.derive(self.seed, "epoch", epoch))
        return torch.randperm(self.num_samples, generator=generator)


@final
class ClassBalancedSampler(Sampler):
    """All classes equally often in every epoch; an epoch is as long as the training set.

    Of a class with too many examples an epoch gives a random part, of one with too few it gives
    some again; within a class no example comes more than once more often than another.
    """

    def setup(self, num_samples: int, *, seed: int = 0, labels: Tensor | None = None) -> None:
        if labels is None or labels.shape != (num_samples,) or labels.is_floating_point():
            got = None if labels is None else f"shape {tuple(labels.shape)}, {labels.dtype}"
            raise SetupError(
                f"ClassBalancedSampler: expected one class for each of {num_samples} examples, got"
                f" labels: {got}."
            )
        self._members = [
            (labels.cpu() == kind).nonzero()[:, 0] for kind in torch.unique(labels).cpu()
        ]
        super().setup(num_samples, seed=seed)

    def order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seeding.derive(self.seed, "epoch", epoch))
        num_classes = len(self._members)
        picked = []
        for place, kind in enumerate(torch.randperm(num_classes, generator=generator).tolist()):
            members = self._members[kind]
            quota = (self.num_samples + num_classes - 1 - place) // num_classes
            rounds = -(-quota // len(members))
            shuffled = [
                members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)
            ]
            picked.append(torch.cat([members[:0], *shuffled])[:quota])
        indices = torch.cat(picked)
        return indices[torch.randperm(len(indices), generator=generator)]


_SAMPLERS: Final[dict[str, type[Sampler]]] = {
    "class_balanced": ClassBalancedSampler,
    "sequence": SequenceSampler,
    "shuffle": ShuffleSampler,
}


def get(spec: SamplerSpec) -> Sampler:
    """Return the sampler that `spec` names.

    Raises:
        SetupError: If no sampler has that name.

    >>> type(get("shuffle")).__name__
    'ShuffleSampler'
    """
    if isinstance(spec, Sampler):
        return spec
    options = dict(spec) if isinstance(spec, dict) else {"name": spec}
    name = options.pop("name", None)
    if name not in _SAMPLERS:
        raise SetupError(
            f"sampler: expected one of {sorted(_SAMPLERS)}, {{'name': ...}} or a Sampler,"
            f" got {spec!r}."
        )
    return _SAMPLERS[name](**options)
