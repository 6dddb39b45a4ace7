"""The contract for blocks: inherit it in pytest, say how the block is made, and run.

Say that `Double` is a block of one's own:

>>> import torch
>>> from akid.core.block import Block
>>> class Double(Block):
...     def forward(self, inputs):
...         return 2 * inputs

Then the whole of its test is this; pytest finds the tests in the base class.

>>> class TestDouble(BlockContract):
...     def make_block(self):
...         return Double(name="double")
...     def make_inputs(self):
...         return torch.linspace(-1, 1, 12).view(3, 4)
...     def expected_shapes(self):
...         return [(3, 4)]
>>> TestDouble().test_outputs_have_the_declared_shape()
"""

from akid.testing.calling import CallingContract
from akid.testing.learning import LearningContract
from akid.testing.repeating import RepeatingContract
from akid.testing.travelling import TravellingContract


class BlockContract(CallingContract, LearningContract, RepeatingContract, TravellingContract):
    """What akid asks of a block; each method is a test.

    An heir implements `make_block` and `make_inputs`, may declare `expected_shapes` and
    `make_wrong_inputs`, and sets the attributes of `BlockSubject` that differ. The class of the
    block lies in a module that other processes can import.
    """
