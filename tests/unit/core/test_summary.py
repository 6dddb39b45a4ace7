from collections.abc import Callable

import pytest
import torch
from torch import nn

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.errors import SetupError
from akid.layers.attention import MultiHeadAttentionLayer
from akid.layers.recurrent import GRULayer, LSTMLayer


class Linear(Block):
    NAME = "ip"

    def _setup(self, x):
        self.weights = nn.Parameter(torch.rand(4, x.shape[1]))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.calls += 1
        return x @ self.weights.T


class Split(Block):
    def forward(self, x):
        return [x, x]


class Square(Judge):
    NAME = "loss"

    def forward(self, x):
        self.loss = (x**2).mean()
        return self.loss


def made() -> Brain:
    inner = Brain(name="sub")
    inner.attach(Linear(), Split())
    brain = Brain(name="brain")
    brain.attach(Linear(), inner, Square())
    return brain


def test_a_summary_tells_shapes_parameters_and_flops() -> None:
    """One row a block; those of a nested brain stand for it; two operations a weight."""
    brain = made()
    brain.setup(torch.rand(8, 3))

    rows = brain.summary().rows

    assert [(row.path, row.kind) for row in rows] == [
        ("ip1", "Linear"),
        ("sub/ip1", "Linear"),
        ("sub/split1", "Split"),
        ("loss1", "Square"),
    ]
    assert [row.shapes for row in rows] == [((1, 4),), ((1, 4),), ((1, 4), (1, 4)), ((),)]
    assert [row.num_parameters for row in rows] == [12, 16, 0, 0]
    assert [row.flops for row in rows] == [24, 32, 0, 0]


def test_a_summary_draws_a_table() -> None:
    """Columns are aligned and the totals close it."""
    brain = made()
    brain.setup(torch.rand(8, 3))

    lines = str(brain.summary()).splitlines()

    assert lines[0].split() == ["block", "kind", "output", "parameters", "FLOPs"]
    assert lines[3].split("  ")[-1] == "0"
    assert "(N, 4), (N, 4)" in lines[3]
    assert lines[-1].split() == ["total", "28", "56"]
    assert len({len(line) for line in lines}) == 1


def test_a_summary_leaves_the_brain_as_it_was() -> None:
    """Losses, kept data, buffers and modes of the last call stay."""
    brain = made()
    loss = brain(torch.rand(8, 3))
    calls = brain["ip1/calls"].item()

    brain.summary()

    assert brain.data_loss is loss
    assert brain.get_layer_by_name("ip1").data.shape == (8, 4)
    assert brain["ip1/calls"].item() == calls
    assert brain.training


def test_a_block_in_a_loop_counts_each_time_it_runs() -> None:
    """With feedback, one row a block, and the operations of all steps."""
    brain = Brain(unroll=3)
    brain.attach(Linear(inputs=[{"name": "ip1", "feedback": True, "shape": [4]}]))
    brain.setup(torch.rand(8, 3))

    assert [row.flops for row in brain.summary().rows] == [3 * 32]


def test_a_summary_needs_setup() -> None:
    """Before it there are no shapes."""
    with pytest.raises(SetupError, match="expected a setup"):
        made().summary()
    with pytest.raises(SetupError, match="expected setup before a summary"):
        made().summary(torch.rand(1, 3))


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        # Projections of 5 places, each place with each, their mixture, the output's projection.
        (lambda: MultiHeadAttentionLayer(2), 2 * 5 * 4 * 12 + 2 * 2 * 5 * 5 * 4 + 2 * 5 * 4 * 4),
        (lambda: GRULayer(6), 5 * 2 * 3 * 6 * (4 + 6)),
        (lambda: LSTMLayer(6), 5 * 2 * 4 * 6 * (4 + 6)),
        (
            lambda: LSTMLayer(6, layer_num=2, bidirectional=True),
            2 * 5 * 2 * 4 * 6 * (4 + 6) + 2 * 5 * 2 * 4 * 6 * (12 + 6),
        ),
    ],
)
def test_attention_and_recurrent_layers_are_counted(layer: Callable[[], Block], flops: int) -> None:
    """Their products are those of the formula, whatever kernel computes them."""
    brain = Brain(name="brain")
    brain.attach(layer())
    brain.setup(torch.zeros(2, 5, 4))

    assert brain.summary().flops == flops
