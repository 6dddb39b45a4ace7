import math

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.inner_product import (
    FixedWeightInnerProductLayer,
    InnerProductLayer,
    InvariantInnerProductLayer,
)


def test_the_inputs_are_flattened_and_summed_by_weight() -> None:
    """The output is flatten(x) Wᵀ + b with W of (out, in)."""
    ip = InnerProductLayer(out_channel_num=5, initial_bias_value=0.5)
    x = torch.randn(3, 2, 4, 4)

    torch.testing.assert_close(ip(x), x.reshape(3, 32) @ ip.weights.T + 0.5)
    assert ip.weights.shape == (5, 32)
    assert ip.in_shape == (2, 4, 4)


def test_fan_in_is_the_size_of_the_input() -> None:
    """With 400 inputs and 7 outputs the default law spreads over ±1/20, not ±1/√7."""
    ip = InnerProductLayer(out_channel_num=7, init_para={"name": "default"})
    ip.setup(torch.zeros(1, 400))

    assert ip.weights.abs().max().item() == pytest.approx(1 / math.sqrt(400), rel=0.01)


@pytest.mark.parametrize("shape", [(3,), (3, 0)])
def test_inputs_without_features_are_refused(shape) -> None:
    """There must be something to weigh."""
    with pytest.raises(
        ShapeError, match=r"ip1: expected an input of shape \(N, ...\) with features"
    ):
        InnerProductLayer(out_channel_num=1, name="ip1").setup(torch.zeros(shape))


def test_an_inner_product_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: InnerProductLayer(out_channel_num=4), torch.randn(2, 3, 8))


def test_the_invariant_inner_product_does_not_see_places() -> None:
    """Only the largest value of each channel counts, wherever it is."""
    layer = InvariantInnerProductLayer(out_channel_num=5)
    x = torch.rand(2, 3, 4, 4)

    torch.testing.assert_close(layer(x), layer(x.roll((1, 2), (2, 3))))
    torch.testing.assert_close(layer(x), x.amax((2, 3)) @ layer.weights.T)
    assert layer.weights.shape == (5, 3)


def test_fixed_weights_are_not_trained() -> None:
    """They are x @ weights, and a buffer."""
    weights = torch.randn(12, 2)
    layer = FixedWeightInnerProductLayer(weights)
    x = torch.randn(3, 3, 4)

    torch.testing.assert_close(layer(x), x.reshape(3, 12) @ weights)
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["weights"]


def test_fixed_weights_must_fit() -> None:
    """They are a matrix with a row for each value of a sample."""
    with pytest.raises(SetupError, match=r"expected weights of shape \(D, K\), got \(3,\)"):
        FixedWeightInnerProductLayer([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"with 2 values a sample, got shape \(4, 3\)"):
        FixedWeightInnerProductLayer(torch.zeros(2, 2)).setup(torch.zeros(4, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: InvariantInnerProductLayer(out_channel_num=4),
        lambda: FixedWeightInnerProductLayer(torch.ones(12, 2)),
    ],
)
def test_other_inner_products_keep_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 3, 2, 2))
