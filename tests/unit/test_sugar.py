import copy
import inspect

import pytest
import torch

from akid.core.brain import Brain
from akid.core.system import SequentialSystem
from akid.errors import SetupError
from akid.sugar import ACTIVATIONS, cnn_block


def kinds(layers) -> list[str]:
    return [type(layer).__name__.removesuffix("Layer") for layer in layers]


FULL = {"ksize": [3, 3], "bn": True, "keep_prob": 0.5}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "InnerProduct ReLU"),
        ({"bn": True, "keep_prob": 0.5}, "InnerProduct BatchNormalization ReLU Dropout"),
        ({"ksize": 3}, "Convolution MaxPooling ReLU"),
        (FULL, "Convolution MaxPooling BatchNormalization ReLU Dropout"),
        (
            FULL | {"activation_before_pooling": True},
            "Convolution BatchNormalization ReLU MaxPooling Dropout",
        ),
        (
            FULL | {"activation_before_pooling": True, "pool_size": None},
            "Convolution BatchNormalization ReLU Dropout",
        ),
        (FULL | {"activation": None, "bn": False}, "Convolution MaxPooling Dropout"),
        (
            {"ksize": 3, "activation": {"type": "maxout", "group_size": 2}},
            "Convolution MaxPooling CollapseOut",
        ),
    ],
)
def test_the_layers_come_in_the_documented_order(options: dict, expected: str) -> None:
    """Nothing that is asked for is dropped, with or without pooling (facts 1.19)."""
    assert kinds(cnn_block(**options)) == expected.split()


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("ksize", [None, 3])
def test_every_activation_runs(kind: str, ksize: int | None) -> None:
    """Each known type gives a block that works after a convolution and an inner product."""
    system = SequentialSystem()
    system.attach(
        cnn_block(ksize, out_channel_num=8, activation={"type": kind, "group_size": 2})
        if kind in {"maxout", "ngsmax", "gsmax"}
        else cnn_block(ksize, out_channel_num=8, activation={"type": kind})
    )

    output = system(torch.rand(4, 3, 6, 6))

    assert output.shape[1] == (4 if kind == "maxout" else 8)


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ({"type": "linearize"}, r"got activation={'type': 'linearize'}; known: 'relu', .*'gsmax'"),
        ({"type": "max_out"}, "Did you mean 'maxout'"),
        ({"type": "maxout"}, r'expected "group_size" with the activation \'maxout\''),
        ({"type": "relu", "slope": 2}, "expected arguments of ReLULayer"),
        ({"group_size": 2}, r'expected activation as {"type": ...}'),
        ("relu", r"got activation='relu'"),
    ],
)
def test_a_wrong_activation_is_an_error(activation, message: str) -> None:
    """Facts 4.3.30: no exit of the process, but an error that lists the known types."""
    with pytest.raises(SetupError, match=message):
        cnn_block(ksize=3, activation=activation)


def test_a_wrong_bn_is_an_error() -> None:
    """Neither a switch nor arguments: the message says what is."""
    with pytest.raises(SetupError, match="expected bn to be True, False, None"):
        cnn_block(bn="yes")  # type: ignore[arg-type]


def test_bn_takes_arguments_too() -> None:
    """The documentation's True works, and so does a dict (facts 1.19)."""
    layers = cnn_block(bn={"gamma_init": 1.0, "fix_gamma": True})

    assert layers[1].fix_gamma


def test_a_second_call_with_defaults_gives_the_same() -> None:
    """No default is changed by a call (facts 1.19)."""
    defaults = {
        name: copy.deepcopy(parameter.default)
        for name, parameter in inspect.signature(cnn_block).parameters.items()
    }
    pools = [cnn_block(ksize=3)[1] for _ in range(2)]

    assert pools[0].ksize == pools[1].ksize == (2, 2)
    assert defaults == {
        name: parameter.default
        for name, parameter in inspect.signature(cnn_block).parameters.items()
    }


def test_max_norm_reaches_the_inner_product() -> None:
    """Facts 1.19: the constraint holds on both branches."""
    assert cnn_block(max_norm=1.9)[0].max_norm == cnn_block(3, max_norm=1.9)[0].max_norm == 1.9


def test_the_layers_are_numbered_by_the_brain() -> None:
    """No counter outside of the brain: two brains have the same names."""

    def names() -> list[str]:
        brain = Brain()
        brain.attach(cnn_block(ksize=3, bn=True, keep_prob=0.5), cnn_block(ksize=3), cnn_block())
        return list(brain.blocks)

    assert names() == names()
    assert " ".join(names()) == "conv1 pool1 bn1 relu1 dropout1 conv2 pool2 relu2 ip1 relu3"


def test_the_documentations_example_runs() -> None:
    """The tuning example's block, filled in as written, with `bn: True`."""
    brain = Brain()
    brain.attach(
        cnn_block(
            ksize=[8, 8],
            init_para={"name": "uniform", "range": 0.005},
            wd={"type": "l2", "scale": 0.0005},
            out_channel_num=384,
            pool_size=[4, 4],
            pool_stride=[2, 2],
            activation={"type": "maxout", "group_size": 2},
            keep_prob=0.5,
            bn=True,
        )
    )

    assert brain(torch.rand(2, 3, 8, 8)).shape == (2, 192, 4, 4)
    assert brain["conv1/weights"].abs().max() <= 0.005
