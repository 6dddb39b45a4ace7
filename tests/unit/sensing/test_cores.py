from collections.abc import Iterator

import pytest
import torch

from akid.sensing.cores import VALUES_PER_CORE, few_cores
from akid.sensing.feed import TensorFeed
from akid.sensing.prepared import PreparedSplit


@pytest.fixture(autouse=True)
def _two_cores() -> Iterator[None]:
    """Let torch have two cores during the test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("parts", "cores"), [(0, 1), (1.5, 1), (2, 2), (100, 2)])
def test_a_core_for_each_part_that_pays(parts: float, cores: int) -> None:
    """At least one, at most those that there are, and afterwards as many as before."""
    with few_cores(int(parts * VALUES_PER_CORE)):
        assert torch.get_num_threads() == cores
    assert torch.get_num_threads() == 2


def test_an_error_leaves_the_cores_as_they_were() -> None:
    """They are given back in any case."""
    with pytest.raises(RuntimeError, match="in between"), few_cores(1):
        raise RuntimeError("in between")

    assert torch.get_num_threads() == 2


class Watched(torch.Tensor):
    """Notes how many cores pick from it."""

    cores: list[int]

    def index_select(self, dim: int, index: torch.Tensor) -> torch.Tensor:
        self.cores.append(torch.get_num_threads())
        return self.as_subclass(torch.Tensor).index_select(dim, index)


def test_a_small_batch_is_picked_by_one_core() -> None:
    """Two would wait for each other longer than the work takes; for a large one both work."""
    images = torch.arange(12.0).reshape(3, 4).as_subclass(Watched)
    images.cores = []
    feed = TensorFeed(PreparedSplit([images]))

    (batch,) = feed.pick(torch.tensor([2, 0]))
    feed.pick(torch.zeros(VALUES_PER_CORE // 2, dtype=torch.int64))

    assert batch.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert images.cores == [1, 2]
