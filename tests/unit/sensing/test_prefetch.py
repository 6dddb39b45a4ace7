import threading

import pytest
import torch

from akid.sensing.prefetch import Prefetcher
from akid.sensing.sampler import Cursor, get


def make(num_samples: int, depth: int) -> Prefetcher:
    sampler = get("shuffle")
    sampler.setup(num_samples, seed=1)
    return Prefetcher(sampler, 4, lambda _, indices: [indices], depth)


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_the_batches_are_those_of_the_sampler(depth: int) -> None:
    """Across epochs, however far ahead; the cursor is that of the batch to come."""
    alone = get("shuffle")
    alone.setup(10, seed=1)
    ahead = make(10, depth)

    for _ in range(12):
        assert ahead.cursor == alone.cursor
        assert ahead.peek()[0].tolist() == alone.peek(4).tolist()
        assert ahead.next()[0].tolist() == alone.next(4).tolist()
    ahead.close()


def test_closing_gives_back_what_was_not_given() -> None:
    """The sampler stands where the next batch begins, and the thread has ended."""
    sampler = get("sequence")
    sampler.setup(100)
    before = threading.active_count()
    ahead = Prefetcher(sampler, 4, lambda _, indices: [indices], 3)
    ahead.next()

    ahead.close()

    assert sampler.cursor == Cursor(0, 4)
    assert threading.active_count() == before


def test_an_error_in_the_thread_is_raised_where_the_batch_is_asked_for() -> None:
    """Nothing dies silently, and asking again raises again."""

    def fail(cursor: Cursor, indices: torch.Tensor) -> list[torch.Tensor]:
        if cursor.position:
            raise OSError("disk gone")
        return [indices]

    sampler = get("sequence")
    sampler.setup(8)
    ahead = Prefetcher(sampler, 4, fail, 1)

    ahead.next()
    for _ in range(2):
        with pytest.raises(OSError, match="disk gone"):
            ahead.next()
    assert ahead.cursor == Cursor(0, 4)
    ahead.close()
