"""Systems and brains are blocks, and keep the contract for blocks."""

import pytest
import torch

from akid.core.brain import Brain
from akid.core.graph_system import GraphSystem
from akid.core.system import SequentialSystem
from akid.layers.activation import TanhLayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.merge import MergeLayer
from akid.sugar import cnn_block
from akid.testing.block_contract import BlockContract


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 1.9 - 0.95


def images() -> torch.Tensor:
    return random(3, 2, 6, 6)


def examples() -> list[torch.Tensor]:
    return [images(), torch.tensor([0, 2, 1])]


def row() -> SequentialSystem:
    system = SequentialSystem()
    system.attach(
        ConvolutionLayer(ksize=3, out_channel_num=4),
        BatchNormalizationLayer(),
        TanhLayer(),
        InnerProductLayer(out_channel_num=5),
    )
    return system


def row_with_dropout() -> SequentialSystem:
    system = row()
    system.attach(DropoutLayer(0.5))
    return system


def residual() -> GraphSystem:
    system = GraphSystem()
    branch = SequentialSystem(name="branch")
    branch.attach(ConvolutionLayer(ksize=3, out_channel_num=2), TanhLayer())
    both = [{"name": "system_in", "idxs": [0]}, {"name": "branch", "idxs": [0]}]
    system.attach(branch, MergeLayer(name="merge", inputs=both))
    return system


def loop() -> GraphSystem:
    system = GraphSystem(unroll=3)
    back = {"name": "state", "idxs": [0], "feedback": True}
    system.attach(
        MergeLayer("concat", name="both", inputs=[{"name": "system_in", "idxs": [0]}, back]),
        ConvolutionLayer(ksize=3, out_channel_num=2, name="conv1"),
        TanhLayer(name="state"),
    )
    return system


def brain() -> Brain:
    brain = Brain()
    brain.attach(cnn_block(ksize=[3, 3], out_channel_num=4, activation={"type": "tanh"}, bn=True))
    brain.attach(InnerProductLayer(out_channel_num=3, name="ip1"))
    wires = [{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
    brain.attach(SoftmaxWithLossLayer(class_num=3, name="loss", inputs=wires))
    return brain


CASES = {
    "row": (row, images, (3, 5), {}),
    "row with dropout": (row_with_dropout, images, (3, 5), {"is_random": True}),
    "residual graph": (residual, images, (3, 2, 6, 6), {}),
    "graph with feedback": (loop, images, (3, 2, 6, 6), {}),
    "brain": (brain, examples, (), {"is_per_sample": False}),
}


class TestSystems(BlockContract):
    """The contract, for each kind of system."""

    @pytest.fixture(autouse=True, params=CASES.values(), ids=list(CASES))
    def _case(self, request):
        self.make_block, self.make_inputs, self.shape, says = request.param
        for attribute, value in says.items():
            setattr(self, attribute, value)

    def expected_shapes(self):
        return [self.shape]
