import copy
import pickle

import torch

from akid.core.memory import Memory


def test_a_copy_of_a_memory_is_empty() -> None:
    """Activations are no state, and those with a graph could not be copied at all."""
    memory = Memory()
    memory.values = [torch.ones(1, requires_grad=True) * 2]

    for twin in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert twin.values is None


def test_what_shares_a_memory_shares_its_copy() -> None:
    """A system and its blocks look into one memory, before and after a copy."""
    memory = Memory()

    one, other = copy.deepcopy([memory, memory])

    assert one is other is not memory
