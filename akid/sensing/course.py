"""Courses: the way of a training through its examples, and where it stands."""

import copy
from typing import Any, final

import torch
from torch import Tensor

from akid.errors import CheckpointError
from akid.sensing.prefetch import Make, Prefetcher
from akid.sensing.sampler import Cursor, Sampler


@final
class Course:
    """Asks a sampler which examples come next and has the batch made, now or ahead of time.

    Args:
        sampler: In which order the examples come; belongs to the course.
        prefetch: How many batches a thread makes ahead; 0 for none and no thread.
    """

    def __init__(self, sampler: Sampler, *, prefetch: int = 0) -> None:
        self.seed: int | None = None
        self._sampler = sampler
        self._prefetch = prefetch
        self._ahead: Prefetcher | None = None

    def start(self, num_samples: int, *, seed: int, labels: Tensor | None) -> None:
        """Begin the first epoch."""
        self.close()
        self.seed = seed
        self._sampler.setup(num_samples, seed=seed, labels=labels)

    @property
    def cursor(self) -> Cursor:
        """Where the next batch begins."""
        return self._sampler.cursor if self._ahead is None else self._ahead.cursor

    def next(self, batch_size: int, make: Make) -> list[Tensor]:
        """Return the next batch and go on."""
        if self._prefetch:
            return self._prefetcher(batch_size, make).next()
        cursor = self._sampler.cursor
        return make(cursor, self._sampler.next(batch_size))

    def peek(self, batch_size: int, make: Make) -> list[Tensor]:
        """Return the next batch without going on."""
        if self._prefetch:
            return self._prefetcher(batch_size, make).peek()
        return make(self._sampler.cursor, self._sampler.peek(batch_size))

    def share(self, rank: int, num_workers: int) -> None:
        """Take only one worker's part of every batch."""
        self.close()
        self._sampler.share(rank, num_workers)

    def to(self, device: torch.device) -> None:
        """Give the indices on that device."""
        self.close()
        self._sampler.to(device)

    def state(self) -> dict[str, int]:
        """Return all that is needed to go on from here, in another process too."""
        if self.seed is None:
            return {}
        cursor, num_samples = self.cursor, self._sampler.num_samples
        return {"seed": self.seed, **cursor._asdict(), "num_samples": num_samples}

    def restore(self, state: dict[str, int], *, who: str) -> None:
        """Go on where the state says.

        Raises:
            CheckpointError: If the training set had another size.
        """
        num_samples = self._sampler.num_samples
        if state["num_samples"] != num_samples:
            raise CheckpointError(
                f"{who}: expected a training set of {state['num_samples']} examples, as when the"
                f" checkpoint was written, got {num_samples}. Use the same num_train."
            )
        self.close()
        self.seed = self._sampler.seed = state["seed"]
        self._sampler.seek(Cursor(state["epoch"], state["position"]))

    def close(self) -> None:
        """End the thread, if there is one; nothing that it made ahead is lost or repeated."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the thread: a copy goes on at the same place with its own."""
        sampler = copy.copy(self._sampler)
        sampler.seek(self.cursor)
        return {**self.__dict__, "_ahead": None, "_sampler": sampler}

    def _prefetcher(self, batch_size: int, make: Make) -> Prefetcher:
        if self._ahead is None:
            self._ahead = Prefetcher(self._sampler, batch_size, make, self._prefetch)
        return self._ahead
