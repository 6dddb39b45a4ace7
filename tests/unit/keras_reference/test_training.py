"""Optimisers and a whole training go where Keras's go; laws are as wide as Keras's."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from akid.core import initializers
from akid.core.brain import Brain
from akid.core.clock import Clock
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.training.engine import EngineParts
from akid.training.kongfu import GradientDescentKongFu, MomentumKongFu
from akid.training.kongfus import AdagradKongFu, AdamKongFu, AdamWKongFu, RMSPropKongFu
from akid.training.single_engine import SingleEngine

cases = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("cases.py"))))

KONGFUS = {
    "sgd": GradientDescentKongFu,
    "momentum": MomentumKongFu,
    "nesterov": lambda **options: MomentumKongFu(use_nesterov=True, **options),
    "adam": AdamKongFu,
    "adamw": AdamWKongFu,
    "rmsprop": lambda **options: RMSPropKongFu(epsilon=1e-12, **options),
    "rmsprop_momentum": lambda **options: RMSPropKongFu(epsilon=1e-12, **options),
    "adagrad": AdagradKongFu,
}


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_an_optimiser(name, agrees, values) -> None:
    """After each of five steps, from the same start and with the same gradients.

    The rate is constant: where it changes, akid's momentum is TensorFlow's and torch's, whose rate
    multiplies the whole sum, and not Keras's, whose rates are in the sum. akid's epsilon is
    torch's: added to the root, in Adam to that of the corrected average; so it is small here.
    """
    net = nn.Module()
    net.weights = nn.Parameter(values("start", 12).clone())
    kongfu = KONGFUS[name](**cases.OPTIMISERS[name])
    kongfu.setup(net)

    for step, gradient in enumerate(cases.gradients()):
        net.weights.grad = torch.from_numpy(gradient)
        kongfu.update(step)
        agrees(f"optimiser/{name}/{step}", net.weights, rtol=1e-5)


def small_brain():
    l2 = {"type": "l2", "scale": 0.1}  # half of it is Keras's
    brain = Brain()
    brain.attach(
        ConvolutionLayer(ksize=3, out_channel_num=4, wd=l2, name="conv1"),
        ReLULayer(),
        MaxPoolingLayer(3, 2, "SAME"),
        BatchNormalizationLayer(name="bn1"),
        InnerProductLayer(out_channel_num=3, wd=l2, name="ip1"),
        SoftmaxWithLossLayer(
            class_num=3, inputs=[{"name": "ip1"}, {"name": "system_in", "idxs": [1]}]
        ),
    )
    return brain


def test_a_whole_training(agrees, values, channels_first) -> None:
    """Five steps of an engine: losses with penalties, then weights and running means."""
    brain, kongfu = small_brain(), MomentumKongFu(lr=0.05, momentum=0.9)
    brain.setup([torch.zeros(6, 1, 8, 7), torch.zeros(6, dtype=torch.int64)])
    brain.double()
    # Keras flattens (H, W, C), akid (C, H, W).
    dense = values("weight50", 4 * 4 * 4, 3).reshape(4, 4, 4, 3).permute(3, 2, 0, 1)
    with torch.no_grad():
        brain["conv1/weights"].copy_(values("weight00", 3, 3, 1, 4).permute(3, 2, 0, 1))
        brain["conv1/biases"].copy_(values("weight01", 4))
        brain["ip1/weights"].copy_(dense.flatten(1))
        brain["ip1/biases"].copy_(values("weight51", 3))
    kongfu.setup(brain)
    engine = SingleEngine(device="cpu")
    engine.setup(EngineParts(brain=brain, kongfu=kongfu, clock=Clock()))
    with engine.at_work():
        for step in range(cases.STEPS):
            labels = torch.from_numpy(cases.labels(f"labels{step}", 6, 3))
            engine.step([channels_first(f"x{step}", 6, 8, 7, 1), labels], measure=True)
            agrees(f"training/loss/{step}", engine.measurements()["loss"])

    trained = [
        brain["conv1/weights"].permute(2, 3, 1, 0),
        brain["conv1/biases"],
        brain["bn1/gamma"],
        brain["bn1/beta"],
        brain["bn1/running_mean"],
        None,  # the running variance, see the test of batch normalisation
        brain["ip1/weights"].unflatten(1, (4, 4, 4)).permute(2, 3, 1, 0).flatten(0, 2),
        brain["ip1/biases"],
    ]
    for index, found in enumerate(trained):
        if found is not None:
            agrees(f"training/weights/{index}", found)


LAWS = {
    "truncated_normal": {"name": "truncated_normal", "stddev": 0.1},
    "normal": {"name": "normal", "stddev": 0.1},
    "uniform": {"name": "uniform", "range": 0.1},
    "xavier": {"name": "xavier"},
    "xavier_normal": {"name": "xavier", "normal_dist": True},
    "msra": {"name": "msra"},
    "orthogonal": {"name": "orthogonal"},
}
CUT_OFF = 0.87962566
"""The deviation of a standard normal law that is cut off at 2. Keras divides by it, TensorFlow's
first version, and with it akid's documentation, did not: `msra` is narrower by it."""


@pytest.mark.parametrize("name", cases.LAWS)
def test_a_law(name, expected) -> None:
    """The deviation of 150,000 draws, and how far the farthest one lies where there is a bound."""
    fan_in, fan_out = cases.FANS
    drawn = initializers.initialize(
        LAWS[name],
        cases.FANS,
        fan_in=fan_in,
        fan_out=fan_out,
        generator=torch.Generator().manual_seed(0),
    )
    deviation, largest = expected[f"law/{name}"] * (CUT_OFF if name == "msra" else 1)

    assert drawn.std().item() == pytest.approx(deviation, rel=0.01)
    if name in {"truncated_normal", "uniform", "xavier", "msra"}:
        assert drawn.abs().max().item() == pytest.approx(largest, rel=0.001)
