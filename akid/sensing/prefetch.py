"""Prefetching: a thread prepares the next batches while the present one is being learnt from."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeAlias, final

from torch import Tensor

from akid.sensing.sampler import Cursor, Sampler

Make: TypeAlias = Callable[[Cursor, Tensor], list[Tensor]]


class _Promise(NamedTuple):
    cursor: Cursor
    batch: "Future[list[Tensor]]"


@final
class Prefetcher:
    """Gives the same batches in the same order as without it, some of them prepared ahead.

    Which examples make a batch is decided by the caller's thread, in order; the other thread only
    fetches them. Each promised batch remembers where it begins: that place, and not the sampler's,
    which is ahead, is where a resumed training goes on.

    Args:
        sampler: Says which examples make a batch; belongs to the prefetcher until it is closed.
        batch_size: Examples in a batch.
        make: Fetches a batch; called in the other thread.
        depth: How many batches are promised ahead.
    """

    def __init__(self, sampler: Sampler, batch_size: int, make: Make, depth: int) -> None:
        self._sampler = sampler
        self._batch_size = batch_size
        self._make = make
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="akid-prefetch")
        self._promises: deque[_Promise] = deque()
        for _ in range(depth):
            self._promise()

    @property
    def cursor(self) -> Cursor:
        """Where the batch that `next` will give begins."""
        return self._promises[0].cursor

    def peek(self) -> list[Tensor]:
        """Return the batch that `next` will give."""
        return self._promises[0].batch.result()

    def next(self) -> list[Tensor]:
        """Return the next batch; an error that was raised in the thread is raised here."""
        self._promise()
        batch = self._promises[0].batch.result()
        self._promises.popleft()
        return batch

    def close(self) -> None:
        """End the thread and set the sampler back to the batch that was not given yet."""
        self._executor.shutdown(cancel_futures=True)
        self._sampler.seek(self.cursor)

    def _promise(self) -> None:
        cursor = self._sampler.cursor
        indices = self._sampler.next(self._batch_size)
        batch = self._executor.submit(self._make, cursor, indices)
        self._promises.append(_Promise(cursor, batch))
