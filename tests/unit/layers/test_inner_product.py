import math

import pytest
import torch

from akid.errors import ShapeError
from akid.layers.inner_product import InnerProductLayer


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
