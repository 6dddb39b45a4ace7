"""What a contract of blocks is about: the block, its inputs, and what is declared of it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from akid.core import seeding
from akid.core.block import Block, Signal


class BlockSubject:
    """The base of the contracts for blocks: what an heir says, and what the tests build of it.

    Attributes:
        is_random: Whether the block draws something in each call while it trains (as dropout does).
        is_per_sample: Whether the first axis of inputs and outputs numbers the samples, which in
            evaluation do not influence each other; False for losses.
        is_differentiable: Whether gradients flow from the outputs to the inputs and parameters.
        is_smooth: Whether gradients can be compared with differences of outputs; False for
            gradients that are meant to be others than the derivatives.
        works_on_meta: Whether a call needs no values, so that it runs on torch's meta device.
    """

    is_random: ClassVar[bool] = False
    is_per_sample: ClassVar[bool] = True
    is_differentiable: ClassVar[bool] = True
    is_smooth: ClassVar[bool] = True
    works_on_meta: ClassVar[bool] = True

    def make_block(self) -> Block:
        """Return a new block that is not set up; each time of the same description."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_block().")

    def make_inputs(self) -> Signal:
        """Return inputs of at least 2 samples: the same values each time."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_inputs().")

    def expected_shapes(self) -> Sequence[tuple[int, ...]] | None:
        """Return the shape of each output for `make_inputs()`; None where nothing is declared."""
        return None

    def make_wrong_inputs(self) -> Sequence[Any]:
        """Return inputs that the block must refuse when it is set up; none unless overridden."""
        return ()

    def _ready(self, *, seed: int = 0, name: str = "subject") -> Block:
        """Return a block of that name that is set up under that seed."""
        block = self.make_block()
        block.name = name
        with seeding.seed_scope(seed):
            block.setup(self.make_inputs())
        return block
