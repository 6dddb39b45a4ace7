"""The part of the contract for blocks that is about copies, here and in another process."""

import copy
import pickle
from collections.abc import Callable

import torch

from akid.core.block import Block, Signal
from akid.testing.other_process import call_elsewhere
from akid.testing.signals import assert_close, copied, same_bits
from akid.testing.subject import BlockSubject


class TravellingContract(BlockSubject):
    """A block can be copied and pickled, before and after its set-up, and then stands alone."""

    def test_a_copy_gives_the_same(self) -> None:
        """Copied or pickled after a call in training, it gives the same outputs."""
        block = self._ready()
        block(self.make_inputs())
        expected = copied(block.eval()(self.make_inputs()))
        for way, travel in _WAYS.items():
            assert same_bits(expected, travel(block)(self.make_inputs())), (
                f"{block.label}: expected a copy ({way}) to give the same outputs, got others."
            )

    def test_a_copy_is_independent(self) -> None:
        """What happens to a copy does not happen to the block."""
        block = self._ready().eval()
        expected = copied(block(self.make_inputs()))
        other = copy.deepcopy(block)
        with torch.no_grad():
            for value in (*other.parameters(), *other.buffers()):
                value.zero_()
        other.train()(self.make_inputs())
        assert same_bits(expected, block(self.make_inputs())), (
            f"{block.label}: expected a change of its copy to leave it alone, got other outputs."
        )

    def test_a_copy_from_before_the_set_up_can_be_set_up(self) -> None:
        """The copy sets itself up, and the block stays as it was."""
        for way, travel in _WAYS.items():
            block = self.make_block()
            other = travel(block)
            other.eval()(self.make_inputs())
            assert other.is_setup, f"{block.label}: expected its copy ({way}) to be set up."
            assert not block.is_setup, (
                f"{block.label}: expected a set-up of its copy ({way}) to leave it alone."
            )

    def test_gives_the_same_in_another_process(self) -> None:
        """Sent to another process, it gives the same outputs there."""
        block = self._ready().eval()
        with torch.no_grad():
            there = call_elsewhere(_give, block, self.make_inputs())
            assert_close(
                there,
                block(self.make_inputs()),
                message=f"{block.label}: expected the same outputs in another process.",
            )


def _pickled(block: Block) -> Block:
    return pickle.loads(pickle.dumps(block))  # type: ignore[no-any-return]  # noqa: S301


_WAYS: dict[str, Callable[[Block], Block]] = {"deepcopy": copy.deepcopy, "pickle": _pickled}


def _give(block: Block, inputs: Signal) -> Signal:
    with torch.no_grad():
        return block(inputs)  # type: ignore[no-any-return]
