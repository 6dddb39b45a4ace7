"""Poolings, normalisations, activations, losses and metrics give what Keras's give."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from akid.layers.activation import (
    ELULayer,
    GELULayer,
    LeakyReLULayer,
    PReLULayer,
    ReLULayer,
    SELULayer,
    SigmoidLayer,
    SiLULayer,
    SoftmaxLayer,
    SoftplusLayer,
    TanhLayer,
)
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.binary_loss import BCELossLayer
from akid.layers.evaluation import AccuracyLayer, AUCLayer, BinaryAccuracyLayer, TopKAccuracyLayer
from akid.layers.hinge_loss import HingeLossLayer
from akid.layers.loss import MSELossLayer, SoftmaxWithLossLayer
from akid.layers.normalization import (
    GroupNormalizationLayer,
    L2NormalizationLayer,
    LayerNormalizationLayer,
)
from akid.layers.pooling import GlobalPoolingLayer, PoolingLayer

cases = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("cases.py"))))


@pytest.mark.parametrize("name", cases.POOLINGS)
def test_a_pooling(name, agrees, channels_first) -> None:
    """Windows of 1 to 4, strides of 1 to 3, SAME and VALID; padding counts in no mean."""
    case = {k: v for k, v in cases.POOLINGS[name].items() if k != "side"}
    side = cases.POOLINGS[name]["side"]
    layer = PoolingLayer(**{**case, "padding": case["padding"].upper()})

    agrees(name, layer(channels_first("x", 1, side, side + 1, 2)).movedim(1, -1))


@pytest.mark.parametrize("name", cases.GLOBAL_POOLINGS)
def test_a_pooling_of_whole_images(name, agrees, channels_first) -> None:
    """One value a channel."""
    layer = GlobalPoolingLayer(cases.GLOBAL_POOLINGS[name]["type"])

    agrees(name, layer(channels_first("x", 2, 5, 4, 3)))


@pytest.mark.parametrize("name", cases.BATCH_NORMS)
def test_batch_normalization(name, agrees, values, channels_first) -> None:
    """While training, and in evaluation after it.

    The running variance is the unbiased one, as in TensorFlow's fused kernel and in torch; that of
    Keras on JAX is the biased one.
    """
    case = cases.BATCH_NORMS[name]
    shape, channels = case["shape"], case["shape"][-1]
    layer = BatchNormalizationLayer(
        beta_init=0.0 if case["beta"] else None, gamma_init=1.0 if case["gamma"] else None
    )
    layer.setup(channels_first("x", *shape))
    layer.double()
    with torch.no_grad():
        if case["beta"]:
            layer.beta.copy_(values("beta", channels))
        if case["gamma"]:
            layer.gamma.copy_(values("gamma", channels))
    for batch in range(3):
        output = layer(3 * channels_first(f"x{batch}", *shape) + 2)
    count = values("x", *shape).numel() / channels
    start = 0.9**3  # what is left of the first value, 1
    layer.running_var.sub_(start).mul_((count - 1) / count).add_(start)

    agrees(f"{name}/train", output.movedim(1, -1))
    agrees(f"{name}/mean", layer.running_mean)
    agrees(f"{name}/variance", layer.running_var)
    agrees(f"{name}/inference", layer.eval()(channels_first("x", *shape)).movedim(1, -1))


@pytest.mark.parametrize(("name", "dim_num"), [("layer_norm", 1), ("layer_norm/3", 3)])
def test_layer_normalization(name, dim_num, agrees, values) -> None:
    """Over the last dimension, or over all but the batch."""
    layer, x = LayerNormalizationLayer(dim_num=dim_num), values("x", 2, 5, 4, 6)
    layer.setup(x)
    layer.double()
    with torch.no_grad():
        layer.gamma.copy_(values("weight0", *layer.gamma.shape))
        layer.beta.copy_(values("weight1", *layer.beta.shape))

    agrees(name, layer(x))


def test_group_normalization(agrees, values, channels_first) -> None:
    """Three groups of two channels."""
    layer, x = GroupNormalizationLayer(3), channels_first("x", 2, 5, 4, 6)
    layer.setup(x)
    layer.double()
    with torch.no_grad():
        layer.gamma.copy_(values("weight0", 6))
        layer.beta.copy_(values("weight1", 6))

    agrees("group_norm", layer(x).movedim(1, -1))


def test_the_length_of_one(agrees, channels_first) -> None:
    """Keras's unit normalisation, along the channels."""
    agrees("unit_norm", L2NormalizationLayer()(channels_first("x", 2, 5, 4, 6)).movedim(1, -1))


ACTIVATIONS = {
    "relu": ReLULayer,
    "leaky_relu": lambda: LeakyReLULayer(0.2),
    "prelu": PReLULayer,
    "elu": lambda: ELULayer(0.7),
    "selu": SELULayer,
    "gelu": GELULayer,
    "silu": SiLULayer,
    "softplus": SoftplusLayer,
    "softmax": SoftmaxLayer,
    "sigmoid": SigmoidLayer,
    "tanh": TanhLayer,
}


@pytest.mark.parametrize("name", cases.ACTIVATIONS)
def test_an_activation(name, agrees, values) -> None:
    """On values from -3 to 3."""
    layer, x = ACTIVATIONS[name](), 3 * values("x", 4, 6)
    layer.setup(x)
    layer.double()
    if name == "prelu":
        with torch.no_grad():
            layer.slopes.copy_(values("weight0", 6))

    agrees(f"activation/{name}", layer(x))


@pytest.fixture
def judged(values):
    """Return scores, and labels of each kind for them."""
    soft = values("soft", 8, 6).exp()
    numbers = torch.from_numpy(cases.labels("labels", 8, 6))
    return SimpleNamespace(
        scores=values("logits", 8, 6),
        numbers=numbers,
        one_hot=torch.eye(6)[numbers],
        soft=soft / soft.sum(1, keepdim=True),
        yes=(values("yes", 8, 6) > 0).double(),
    )


@pytest.mark.parametrize("name", cases.LOSSES)
def test_a_loss(name, agrees, judged) -> None:
    """Means over the batch."""
    entropy = SoftmaxWithLossLayer(class_num=6)
    layer, truth = {
        "sparse": (entropy, judged.numbers),
        "dense": (entropy, judged.one_hot),
        "soft": (entropy, judged.soft),
        "mse": (MSELossLayer(), judged.yes),
        "hinge": (HingeLossLayer(), 2 * judged.yes - 1),
        "binary": (BCELossLayer(), judged.yes),
    }[name]

    agrees(f"loss/{name}", layer([judged.scores, truth]))


@pytest.mark.parametrize("name", cases.METRICS)
def test_a_metric(name, agrees, judged) -> None:
    """Keras counts the area by thresholds, akid exactly: to three digits they agree."""
    chances = (judged.scores + 1) / 2
    layer, scores, truth = {
        "accuracy": (AccuracyLayer(), judged.scores, judged.numbers),
        "dense_accuracy": (AccuracyLayer(), judged.scores, judged.one_hot),
        "top3": (AccuracyLayer(3), judged.scores, judged.numbers),
        "top5": (TopKAccuracyLayer(5), judged.scores, judged.numbers),
        "binary": (BinaryAccuracyLayer(), chances, judged.yes),
        "auc": (AUCLayer(), chances, judged.yes),
    }[name]
    layer([scores, truth])
    (found,) = layer.evals.values()

    agrees(f"metric/{name}", found, rtol=1e-3 if name == "auc" else 1e-6)
