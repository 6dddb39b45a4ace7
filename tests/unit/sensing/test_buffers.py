import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.sensing.buffers import Buffers


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 5)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_never_changes(batches: list[tuple[int, bool, int]]) -> None:
    """Whatever is kept, a whole batch or a view of it, and for however long."""
    buffers = Buffers()
    kept: list[tuple[torch.Tensor, int]] = []
    for number, (size, keep_view, num_dropped) in enumerate(batches):
        batch = buffers.empty((size, 3), torch.float32).fill_(number)
        kept.append((batch[:1, 1:] if keep_view else batch, number))
        del batch
        kept = kept[num_dropped:]
        for tensor, value in kept:
            assert (tensor == value).all()


def _as_array(batch: torch.Tensor) -> object:
    return batch.numpy()


def _in_a_graph(batch: torch.Tensor) -> object:
    return (batch * torch.ones((), requires_grad=True)).sum()


def _as_an_attribute(batch: torch.Tensor) -> object:
    return torch.nn.Parameter(batch)


@pytest.mark.parametrize("hold", [_as_array, _in_a_graph, _as_an_attribute])
def test_memory_that_is_held_in_any_way_is_not_used_again(hold: object) -> None:
    """By an array, by a graph that needs it for a gradient, by a parameter."""
    buffers = Buffers()
    batch = buffers.empty((4, 4), torch.float32).fill_(1)
    address = batch.data_ptr()

    holder = hold(batch)
    del batch
    others = [buffers.empty((4, 4), torch.float32) for _ in range(3)]
    assert address not in {other.data_ptr() for other in others}

    del holder
    assert buffers.empty((4, 4), torch.float32).data_ptr() == address


def test_a_smaller_batch_uses_the_memory_of_a_larger_one() -> None:
    """The last batch of an epoch is short; the next one is whole again."""
    buffers = Buffers()
    address = buffers.empty((8, 3), torch.float32).data_ptr()

    assert buffers.empty((5, 3), torch.float32).data_ptr() == address
    assert buffers.empty((8, 3), torch.float32).data_ptr() == address
    assert buffers.empty((9, 3), torch.float64).shape == (9, 3)


def test_memory_is_aligned_and_may_be_empty() -> None:
    """As torch's own is."""
    buffers = Buffers()

    assert all(buffers.empty((n,), torch.uint8).data_ptr() % 64 == 0 for n in range(1, 99))
    assert buffers.empty((0, 3), torch.int64).shape == (0, 3)


def test_copies_have_memory_of_their_own() -> None:
    """A copied or pickled sensor shares no buffer with the first."""
    buffers = Buffers()
    address = buffers.empty((1000,), torch.float32).data_ptr()

    for other in (copy.deepcopy(buffers), pickle.loads(pickle.dumps(buffers))):
        assert other.empty((1000,), torch.float32).data_ptr() != address


def test_few_buffers_are_kept() -> None:
    """What many batches needed at one time is not held for ever."""
    buffers = Buffers()
    batches = [buffers.empty((10,), torch.float32) for _ in range(50)]
    addresses = {batch.data_ptr() for batch in batches}
    assert len(addresses) == 50
    del batches

    assert len(buffers._free) < 10
    assert all(isinstance(memory, np.ndarray) for memory in buffers._free)
