import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from akid.layers.convolution import ConvolutionLayer
from akid.layers.transposed_convolution import TransposedConvolutionLayer


@settings(max_examples=60, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    ksize=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 3),
)
def test_it_is_the_transpose_of_the_convolution(sides, ksize, stride) -> None:
    """<conv(x), y> = <x, transposed(y)> for the same weights and SAME padding."""
    y = torch.randn(1, 2, *sides, dtype=torch.float64)
    x = torch.randn(1, 3, *[side * stride for side in sides], dtype=torch.float64)
    options = {"ksize": ksize, "strides": stride, "initial_bias_value": None}
    up = TransposedConvolutionLayer(out_channel_num=3, **options)
    down = ConvolutionLayer(out_channel_num=2, **options)
    up.setup(y)
    down.setup(x)
    up.double()
    down.double()
    with torch.no_grad():
        down.weights.copy_(up.weights)

    assert up(y).shape == x.shape
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum())


@pytest.mark.parametrize(
    ("ksize", "stride", "side_px"), [(3, 2, 9), (5, 1, 8), (2, 3, 12), (3, 3, 12)]
)
def test_valid_keeps_what_the_windows_reach(ksize, stride, side_px) -> None:
    """Sides are H * stride + max(ksize - stride, 0)."""
    up = TransposedConvolutionLayer(ksize=ksize, strides=stride, padding="VALID", out_channel_num=1)

    assert up(torch.zeros(1, 1, 4, 4)).shape == (1, 1, side_px, side_px)


@pytest.mark.parametrize(("ksize", "stride"), [([3, 2], 1), ([3, 3], 2), ([2, 5], 3), ([1, 2], 2)])
def test_it_is_scipys_convolution_of_pixels_set_apart(ksize, stride) -> None:
    """VALID: pixels a stride apart, convolved in full; ends that no window reaches are the bias."""
    up = TransposedConvolutionLayer(
        ksize=ksize, strides=stride, padding="VALID", out_channel_num=3, initial_bias_value=0.5
    )
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    up.setup(x)

    result = up.double()(x)[0].detach().numpy()

    apart = np.zeros((2, 3 * stride + 1, 4 * stride + 1))
    apart[:, ::stride, ::stride] = x[0]
    for out in range(3):
        whole = sum(
            signal.convolve2d(apart[c], up.weights[c, out].detach().numpy()) for c in range(2)
        )
        expected = np.full(result[out].shape, 0.5)
        expected[: whole.shape[0], : whole.shape[1]] += whole
        np.testing.assert_allclose(result[out], expected, atol=1e-12)


def test_max_norm_is_of_each_output() -> None:
    """The outputs are the second dimension of the weights."""
    up = TransposedConvolutionLayer(ksize=2, out_channel_num=2, max_norm=1.0)
    up.setup(torch.zeros(1, 3, 4, 4))
    with torch.no_grad():
        up.weights.fill_(1.0)

    up.on_para_update()

    torch.testing.assert_close(
        up.weights.detach().transpose(0, 1).flatten(1).norm(dim=1), torch.ones(2)
    )


@pytest.mark.parametrize("strides", [1, 2])
def test_transposed_convolution_keeps_the_layer_contract(check_layer, strides) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(
        lambda: TransposedConvolutionLayer(ksize=3, strides=strides, out_channel_num=4),
        torch.randn(2, 3, 4, 4),
    )
