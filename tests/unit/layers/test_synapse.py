import re

import pytest
import torch

from akid.core import seeding
from akid.core.regularizers import L1, L2
from akid.errors import SetupError
from akid.layers.convolution import ConvolutionLayer
from akid.layers.inner_product import InnerProductLayer


def made(**options):
    layer = InnerProductLayer(out_channel_num=4, **options)
    layer.setup(torch.zeros(2, 6))
    return layer


def test_the_documented_defaults() -> None:
    """Truncated normal of 0.1, biases of zero, L2 of 5e-4 on the weights alone."""
    with seeding.seed_scope(0):
        layer = ConvolutionLayer(ksize=5, out_channel_num=64, name="conv1")
        layer.setup(torch.zeros(1, 16, 8, 8))

    assert layer.weights.std().item() == pytest.approx(0.088, rel=0.02)
    assert layer.weights.abs().max() <= 0.2 + 1e-6
    assert not layer.biases.any()
    assert layer.regularized() == [(L2(scale=5e-4), layer.weights)]


def test_layers_of_one_shape_differ_and_a_seed_repeats() -> None:
    """Each name has its own stream; seeds differ; one seed gives the same bits."""

    def weights(seed, name):
        with seeding.seed_scope(seed):
            return made(name=name).weights

    assert torch.equal(weights(0, "ip1"), weights(0, "ip1"))
    assert not torch.equal(weights(0, "ip1"), weights(0, "ip2"))
    assert not torch.equal(weights(0, "ip1"), weights(1, "ip1"))
    assert not torch.equal(made().weights, made().weights)


def test_biases_start_from_their_value_or_are_absent() -> None:
    """None means a layer without biases, which is in no state dict."""
    assert made(initial_bias_value=0.1).biases.tolist() == pytest.approx([0.1] * 4)
    assert made(initial_bias_value=None).biases is None
    assert list(made(initial_bias_value=None).state_dict()) == ["weights"]


def test_regularized_names_what_is_regularised() -> None:
    """None for wd gives none; wd_on_bias adds the biases if there are any; a copy names its own."""
    both = made(wd={"type": "l1", "scale": 0.1}, wd_on_bias=True)

    assert made(wd=None).regularized() == []
    assert InnerProductLayer(out_channel_num=4).regularized() == []
    assert both.regularized() == [(L1(scale=0.1), p) for p in (both.weights, both.biases)]
    assert len(made(wd_on_bias=True, initial_bias_value=None).regularized()) == 1


def test_max_norm_projects_each_output_after_an_update() -> None:
    """Filters that are too long are scaled back, the others are left as they are."""
    layer = ConvolutionLayer(ksize=2, out_channel_num=2, max_norm=1.0)
    layer.setup(torch.zeros(1, 1, 4, 4))
    with torch.no_grad():
        layer.weights[0], layer.weights[1] = 2.0, 0.1

    layer.on_para_update()

    assert layer.weights[0].norm().item() == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(layer.weights[1], torch.full((1, 2, 2), 0.1))
    assert layer.weights.requires_grad


def test_without_max_norm_an_update_is_left_alone() -> None:
    """on_para_update does nothing by default."""
    layer = made()
    before = layer.weights.detach().clone()

    layer.on_para_update()

    assert torch.equal(layer.weights, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"out_channel_num": 0},
            "ip1: expected out_channel_num of 1 or more, got out_channel_num=0",
        ),
        ({"out_channel_num": 2.0}, "got out_channel_num=2.0"),
        (
            {"out_channel_num": 2, "max_norm": 0},
            "expected max_norm above 0 or None, got max_norm=0",
        ),
        (
            {"out_channel_num": 2, "wd": {"type": "l3", "scale": 1}},
            "one of ['l1', 'l2'], got type='l3'",
        ),
        ({"out_channel_num": 2, "init_para": {"name": "he"}}, "got init_para={'name': 'he'}"),
    ],
)
def test_wrong_arguments_are_refused_when_the_layer_is_made(options, message) -> None:
    """The model fails where it is written, not where it first runs."""
    with pytest.raises(SetupError, match=re.escape(message)):
        InnerProductLayer(name="ip1", **options)
