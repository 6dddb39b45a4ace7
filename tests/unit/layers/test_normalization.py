import re

import numpy as np
import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.normalization import (
    GroupNormalizationLayer,
    L2NormalizationLayer,
    LayerNormalizationLayer,
    LRNLayer,
)


def standardised(x, axis):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5)


@pytest.mark.parametrize(("dim_num", "axis"), [(1, (3,)), (2, (2, 3)), (3, (1, 2, 3))])
def test_layer_normalization_is_over_the_last_dimensions(dim_num, axis) -> None:
    """Each sample by itself, with one gamma and beta for each place of these dimensions."""
    x = torch.randn(2, 3, 4, 5)
    layer = LayerNormalizationLayer(dim_num=dim_num)

    np.testing.assert_allclose(layer(x).detach(), standardised(x.numpy(), axis), atol=1e-5)
    assert layer.gamma.shape == layer.beta.shape == x.shape[-dim_num:]


def test_group_normalization_is_over_groups_of_channels() -> None:
    """Each group of each sample by itself, with one gamma and beta for each channel."""
    x = torch.randn(2, 6, 4, 5)
    layer = GroupNormalizationLayer(3)

    expected = standardised(x.numpy().reshape(2, 3, -1), 2).reshape(x.shape)

    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-5)
    assert layer.gamma.shape == layer.beta.shape == (6,)


def test_l2_normalization_gives_length_one() -> None:
    """Over the channels at each place; zeros stay zeros."""
    x = torch.randn(2, 3, 4)
    x[0, :, 0] = 0

    result = L2NormalizationLayer()(x)

    lengths = result.square().sum(1).sqrt()
    assert lengths[0, 0] == 0
    torch.testing.assert_close(lengths.flatten()[1:], torch.ones(7))


@pytest.mark.parametrize(
    "options",
    [{}, {"depth_radius": 2, "bias": 2.0, "alpha": 0.3, "beta": 0.5}, {"depth_radius": 0}],
)
def test_lrn_is_the_documented_formula(options) -> None:
    """x / (bias + alpha * sum over 2r + 1 channels of x²) ** beta, cut off at the ends."""
    x = torch.randn(2, 12, 3, 3, dtype=torch.float64) * 5
    layer = LRNLayer(**options)
    layer.setup(x)
    layer.double()
    radius, squares = layer.depth_radius, x.square()

    expected = torch.stack(
        [
            x[:, c]
            / (layer.bias + layer.alpha * squares[:, max(c - radius, 0) : c + radius + 1].sum(1))
            ** layer.beta
            for c in range(12)
        ],
        1,
    )

    torch.testing.assert_close(layer(x), expected)


def test_the_default_lrn_equals_torch_with_nine_channels() -> None:
    """torch.nn.LocalResponseNorm(size=9, alpha=0.001, beta=0.75, k=1) is the same."""
    x = torch.randn(2, 12, 3, 3)

    torch.testing.assert_close(LRNLayer()(x), torch.nn.LocalResponseNorm(9, 0.001, 0.75, 1.0)(x))


def test_lrn_keeps_its_digits_under_autocast() -> None:
    """The sum of squares is taken in full precision, the result has the input's type."""
    x, layer = torch.randn(2, 12, 3, 3) * 30, LRNLayer(alpha=1.0)
    expected = layer(x)

    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x), expected)
        assert layer(x.bfloat16()).dtype == torch.bfloat16


def test_wrong_inputs_and_arguments_are_refused() -> None:
    """Each message names the block and what came in."""
    with pytest.raises(ShapeError, match=re.escape("dim_num=2 (1 or more), got shape (2, 3)")):
        LayerNormalizationLayer(dim_num=2).setup(torch.zeros(2, 3))
    with pytest.raises(
        ShapeError, match=re.escape("C a multiple of group_num=4, got shape (2, 6)")
    ):
        GroupNormalizationLayer(4).setup(torch.zeros(2, 6))
    with pytest.raises(ShapeError, match=r"l2: expected .* with 2 dimensions"):
        L2NormalizationLayer(name="l2").setup(torch.zeros(2))
    with pytest.raises(ShapeError, match="with 3 dimensions"):
        LRNLayer().setup(torch.zeros(2, 3))
    with pytest.raises(SetupError, match="depth_radius of 0 or more, got depth_radius=-1"):
        LRNLayer(depth_radius=-1)


@pytest.mark.parametrize(
    "make",
    [LayerNormalizationLayer, lambda: GroupNormalizationLayer(2), L2NormalizationLayer, LRNLayer],
)
def test_normalization_keeps_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 4, 5, 5))
