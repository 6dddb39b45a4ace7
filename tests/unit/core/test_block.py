import copy
import pickle

import pytest
import torch
from torch import nn

from akid.core import seeding
from akid.core.block import Block
from akid.core.memory import Memory
from akid.errors import SetupError


class Scale(Block):
    def _setup(self, inputs):
        self.weights = nn.Parameter(torch.rand(inputs.shape[1], generator=seeding.generator("w")))

    def forward(self, x, *, offset=0.0):
        return x * self.weights + offset


def test_the_first_call_sets_up() -> None:
    """A block that nobody set up allocates when it is called."""
    block = Scale()

    block(torch.ones(2, 3))

    assert block.is_setup
    assert block.weights.shape == (3,)


def test_the_first_call_hands_on_keyword_arguments() -> None:
    """Options of forward work in the call that sets up and in later ones."""
    block = Scale()
    x = torch.ones(2, 3)

    assert torch.equal(block(x, offset=1.0), block(x, offset=1.0))


def test_a_second_setup_does_nothing() -> None:
    """Parameters that are there stay."""
    block = Scale()
    block.setup(torch.ones(2, 3))
    weights = block.weights

    block.setup(torch.ones(2, 5))

    assert block.weights is weights


def test_hooks_run_once_around_setup() -> None:
    """Pre-hooks see a block without parameters, post-hooks one with them."""
    block, seen = Scale(), []
    block.pre_setup_hooks.append(lambda b: seen.append(hasattr(b, "weights")))
    block.post_setup_hooks.append(lambda b: seen.append(hasattr(b, "weights")))

    block.setup(torch.ones(1, 2))
    block.setup(torch.ones(1, 2))

    assert seen == [False, True]


@pytest.mark.parametrize("name", ["", "a.b", "a/b"])
def test_a_name_that_cannot_be_joined_is_refused(name: str) -> None:
    """Names become parts of dotted and slashed paths."""
    with pytest.raises(SetupError, match=r"got name="):
        Scale(name=name)


@pytest.mark.parametrize("is_setup", [False, True])
def test_copies_are_independent(is_setup: bool) -> None:
    """deepcopy and pickle give a block of its own, whether set up or not."""
    block, x = Scale(name="s"), torch.rand(2, 3)
    if is_setup:
        block.setup(x)

    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        twin(x)
        assert twin.is_setup
        assert block.is_setup == is_setup
        if is_setup:
            assert torch.equal(twin(x), block(x))
            assert twin.weights is not block.weights


def test_a_block_without_a_system_keeps_no_data() -> None:
    """`data` says what to do where nothing is kept."""
    with pytest.raises(SetupError, match=r"lonely: expected kept data.*keep_data = True"):
        _ = Scale(name="lonely").data


def test_data_reads_the_slot_of_the_memory() -> None:
    """A block's data is what its system left in the block's slot; copies hold none."""
    memory, block = Memory(), Scale(name="s")
    block.remember_in(memory, 1)
    memory.values = [None, torch.ones(1)]

    assert block.data is memory.values[1]
    with pytest.raises(SetupError):
        _ = copy.deepcopy(block).data


def test_a_block_without_forward_says_so() -> None:
    """Forgetting forward is named with the class."""

    class Empty(Block):
        pass

    with pytest.raises(NotImplementedError, match="Empty must implement forward"):
        Empty()(torch.ones(1))


def test_a_probe_runs_in_evaluation_mode_and_restores_modes() -> None:
    """How a system infers shapes leaves neither gradients nor modes behind."""

    class Outer(Block):
        def __init__(self):
            super().__init__()
            self.inner = nn.Dropout()
            self.frozen = nn.Dropout().eval()

        def forward(self, x):
            return self.inner(x) + self.frozen(x)

    block = Outer()

    result = block.probe(torch.ones(100, requires_grad=True))

    assert result.tolist() == [2] * 100
    assert not result.requires_grad
    assert [block.training, block.inner.training, block.frozen.training] == [True, True, False]


def test_the_generators_of_a_block_can_begin_anew() -> None:
    """All that are attributes of it."""
    block = Scale()
    block.noise = torch.Generator().manual_seed(0)

    block.reseed(5, device=torch.device("cpu"))

    assert block.noise.initial_seed() == 5


def test_a_plain_block_regularises_and_constrains_nothing() -> None:
    """Both are for those that override them."""
    block = Scale()

    assert list(block.regularized()) == []
    assert block.on_para_update() is None
