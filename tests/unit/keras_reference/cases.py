"""What is compared with Keras: inputs by formula, the cases of each kind, and Keras's numbers.

`regenerate.py` computes the numbers, the tests beside it compare akid's. Arrays are as Keras has
them, channels last; a case's name says what it is.
"""
# Shape legend: N = batch, H = height, W = width, C = channels, T = time steps, D = features.

import zlib
from itertools import product
from pathlib import Path

import numpy as np

EXPECTED = Path(__file__).with_name("expected.npz")
PADDINGS = ("same", "valid")


def values(name, *shape):
    """Return numbers from -1 to 1 that hang on the name alone."""
    bits = np.random.PCG64(zlib.crc32(name.encode()))
    return np.random.Generator(bits).random(shape) * 2 - 1


def labels(name, number, classes):
    """Return whole numbers from 0 up to those of classes."""
    return np.floor((values(name, number) + 1) / 2 * classes).astype(np.int64)


def named(options):
    return "-".join(f"{key}={value}".replace(" ", "") for key, value in options.items())


def _table(kind, /, **choices):
    rows = [dict(zip(choices, row, strict=True)) for row in product(*choices.values())]
    return {f"{kind}/{named(row)}": row for row in rows}


WINDOWS = (2, 3, (3, 2))
CONVOLUTIONS = {
    **_table("conv", ksize=WINDOWS, strides=(1, 2, 3), padding=PADDINGS, side=(7, 8)),
    **_table("conv", ksize=WINDOWS, dilation=(2,), padding=PADDINGS, side=(7, 8)),
    **_table("conv", ksize=(3,), strides=(1, 2), groups=(2,), padding=PADDINGS, side=(7, 8)),
}
DEPTHWISE = _table("depthwise", strides=(1, 2), padding=PADDINGS)
SEQUENCES = {
    **_table("conv1d", ksize=(2, 3), strides=(1, 2, 3), padding=PADDINGS, side=(9, 10)),
    **_table("conv1d", ksize=(2, 3), dilation=(2,), padding=PADDINGS, side=(9,)),
}
TRANSPOSED = _table(
    "deconv", ksize=(2, 3, 5, (3, 2)), strides=(1, 2, 3), padding=PADDINGS, side=(3, 4)
)
POOLINGS = _table(
    "pool",
    type=("max", "avg"),
    ksize=(1, 2, 3, 4),
    strides=(1, 2, 3),
    padding=PADDINGS,
    side=(5, 8),
)
GLOBAL_POOLINGS = _table("global", type=("max", "avg"))
BATCH_NORMS = _table("bn", beta=(True, False), gamma=(True, False), shape=((6, 4), (3, 5, 4, 2)))
RECURRENT = _table(
    "rnn", kind=("gru", "lstm"), bidirectional=(False, True), sequences=(False, True)
)
ATTENTIONS = _table("attention", look=("self", "memory", "three"), causal=(False, True))
ACTIVATIONS = (
    *("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "softplus", "softmax"),
    *("sigmoid", "tanh"),
)
LOSSES = ("sparse", "dense", "soft", "mse", "hinge", "binary")
METRICS = ("accuracy", "dense_accuracy", "top3", "top5", "binary", "auc")
OPTIMISERS = {
    "sgd": {"lr": 0.1},
    "momentum": {"lr": 0.1, "momentum": 0.9},
    "nesterov": {"lr": 0.1, "momentum": 0.9},
    "adam": {"lr": 0.01},
    "adamw": {"lr": 0.01, "weight_decay": 0.1},
    "rmsprop": {"lr": 0.01, "decay": 0.8},
    "rmsprop_momentum": {"lr": 0.01, "decay": 0.8, "momentum": 0.5},
    "adagrad": {"lr": 0.1},
}
STEPS = 5
LAWS = ("truncated_normal", "normal", "uniform", "xavier", "xavier_normal", "msra", "orthogonal")
FANS = (300, 500)


def gradients():
    """Return what an optimiser gets in each step: of many sizes, but none near zero."""
    drawn = [values(f"gradients/{step}", 12) for step in range(STEPS)]
    return [(x + np.sign(x) / 10) * 10 ** np.linspace(0, 3, 12) for x in drawn]


def expected():
    """Return Keras's numbers by case."""
    with np.load(EXPECTED) as stored:
        return {name: stored[name] for name in stored.files}
