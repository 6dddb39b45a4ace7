import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from akid.errors import SetupError, ShapeError
from akid.layers.convolution import ConvolutionLayer

ONES = {"name": "constant", "value": 1.0}


def tensorflow_same(x, weights, stride, dilation=1):
    """Convolve (H, W) with one window by hand, padded by TensorFlow's published rule."""
    padded = x
    for axis in (0, 1):
        size, reach = x.shape[axis], (weights.shape[axis] - 1) * dilation + 1
        total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
        widths = [(0, 0), (0, 0)]
        widths[axis] = (total // 2, total - total // 2)
        padded = np.pad(padded, widths)
    spread = np.zeros([(k - 1) * dilation + 1 for k in weights.shape])
    spread[::dilation, ::dilation] = weights
    return signal.correlate2d(padded, spread, mode="valid")[::stride, ::stride]


def test_odd_same_padding_goes_right_and_below() -> None:
    """4x4 ones under a 3x3 window of ones with stride 2 give TensorFlow's numbers."""
    conv = ConvolutionLayer(ksize=3, strides=2, out_channel_num=1, init_para=ONES)

    assert conv(torch.ones(1, 1, 4, 4)).tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]


@settings(max_examples=60, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    ksize=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
)
def test_same_equals_a_hand_made_convolution(sides, ksize, stride, dilation) -> None:
    """Whatever the sizes, SAME is TensorFlow's SAME, and gives ceil(size / stride)."""
    conv = ConvolutionLayer(ksize=ksize, strides=stride, dilation=dilation, out_channel_num=1)
    x = torch.randn(1, 1, *sides, dtype=torch.float64)
    conv.setup(x)
    conv.double()

    result = conv(x)[0, 0].detach().numpy()

    expected = tensorflow_same(
        x[0, 0].numpy(), conv.weights[0, 0].detach().numpy(), stride, dilation
    )
    assert result.shape == tuple(math.ceil(side / stride) for side in sides)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_a_valid_convolution_runs() -> None:
    """VALID pads nothing: the same as SciPy's."""
    conv = ConvolutionLayer(ksize=[1, 3, 2, 1], padding="VALID", out_channel_num=1)
    x = torch.randn(1, 1, 6, 7)

    expected = signal.correlate2d(
        x[0, 0], conv(x) is not None and conv.weights[0, 0].detach(), "valid"
    )

    np.testing.assert_allclose(conv(x)[0, 0].detach(), expected, rtol=1e-4, atol=1e-6)


def test_padding_follows_a_later_input_of_another_size() -> None:
    """A layer set up for an even side is right for an odd one too."""
    conv = ConvolutionLayer(ksize=3, strides=2, out_channel_num=1, init_para=ONES)
    conv.setup(torch.ones(1, 1, 4, 4))

    assert conv(torch.ones(1, 1, 5, 5)).tolist() == [[[[4, 6, 4], [6, 9, 6], [4, 6, 4]]]]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_of_channels_are_correlated_as_by_scipy(padding, stride, dilation, groups) -> None:
    """Each output is its bias plus SciPy's correlations of the channels of its group."""
    conv = ConvolutionLayer(
        ksize=[3, 2],
        strides=stride,
        dilation=dilation,
        groups=groups,
        padding=padding,
        out_channel_num=8,
        initial_bias_value=0.5,
    )
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    conv.setup(x)

    result = conv.double()(x).detach().numpy()

    weights, taken = conv.weights.detach().numpy(), 4 // groups
    for n, out in np.ndindex(2, 8):
        first = out // (8 // groups) * taken
        expected = 0.5 + sum(
            correlated(x[n, first + c].numpy(), weights[out, c], stride, dilation, padding)
            for c in range(taken)
        )
        np.testing.assert_allclose(result[n, out], expected, atol=1e-12)


def correlated(x, weights, stride, dilation, padding):
    if padding == "SAME":
        return tensorflow_same(x, weights, stride, dilation)
    spread = np.zeros([(k - 1) * dilation + 1 for k in weights.shape])
    spread[::dilation, ::dilation] = weights
    return signal.correlate2d(x, spread, mode="valid")[::stride, ::stride]


@pytest.mark.parametrize("options", [{"groups": 2}, {"depthwise": True}])
def test_groups_see_their_own_channels_only(options) -> None:
    """Output channel 0 does not depend on the last input channel, and the weights are as small."""
    conv = ConvolutionLayer(ksize=3, out_channel_num=8, **options)
    x = torch.randn(2, 4, 5, 5)
    before = conv(x)
    x[:, 3] += 1

    after = conv(x)

    assert conv.weights.shape == (8, 4 // conv.groups, 3, 3)
    assert torch.equal(after[:, 0], before[:, 0])
    assert not torch.equal(after[:, 7], before[:, 7])


def test_fans_count_the_window() -> None:
    """The default law spreads over ±1/√(k·k·in), msra over √(2/(k·k·out)) cut at two of it."""
    x = torch.zeros(1, 10, 4, 4)
    default = ConvolutionLayer(ksize=3, out_channel_num=64, init_para={"name": "default"})
    msra = ConvolutionLayer(ksize=3, out_channel_num=64, init_para={"name": "msra"})
    default.setup(x)
    msra.setup(x)

    assert default.weights.abs().max().item() == pytest.approx(1 / math.sqrt(90), rel=0.01)
    assert msra.weights.abs().max().item() == pytest.approx(2 * math.sqrt(2 / 576), rel=0.01)


def test_one_call_of_torch_when_padding_is_even(monkeypatch) -> None:
    """An odd window with stride 1 costs no copy of the input."""
    conv = ConvolutionLayer(ksize=5, out_channel_num=1)
    conv.setup(torch.ones(1, 1, 8, 8))
    monkeypatch.setattr(torch.nn.functional, "pad", None)

    assert conv(torch.ones(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_wrong_inputs_and_arguments_are_refused_at_setup() -> None:
    """Each message names the block and what came in."""
    with pytest.raises(
        ShapeError, match=re.escape("c1: expected an input of shape (N, C, H, W), got")
    ):
        ConvolutionLayer(ksize=3, out_channel_num=1, name="c1").setup(torch.ones(4, 4))
    with pytest.raises(ShapeError, match="at least 5x5 pixels"):
        ConvolutionLayer(ksize=5, padding="VALID", out_channel_num=1).setup(torch.ones(1, 1, 4, 4))
    with pytest.raises(
        SetupError, match="the 4 input channels and out_channel_num=8, got groups=3"
    ):
        ConvolutionLayer(ksize=3, groups=3, out_channel_num=8).setup(torch.ones(1, 4, 4, 4))
    with pytest.raises(SetupError, match="got padding='same'"):
        ConvolutionLayer(ksize=3, padding="same", out_channel_num=8)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_convolution_keeps_the_layer_contract(check_layer, strides) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(
        lambda: ConvolutionLayer(ksize=3, strides=strides, out_channel_num=4, name="conv1"),
        torch.randn(2, 3, 8, 8),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_probe_gives_the_shape_without_the_work(padding: str, strides: int, dilation) -> None:
    """What a system infers shapes from has the shape, dtype and device of the real output."""
    conv = ConvolutionLayer(
        ksize=[3, 2], strides=strides, padding=padding, dilation=dilation, out_channel_num=5
    )
    x = torch.rand(2, 3, 11, 9)

    probed = conv.probe(x)

    assert probed.shape == conv(x).shape
    assert probed.dtype == x.dtype


def test_a_subclass_with_a_forward_of_its_own_is_probed_by_it() -> None:
    """Its output may have another shape."""

    class Cropped(ConvolutionLayer):
        def forward(self, inputs):
            return super().forward(inputs)[:, :, 1:]

    assert Cropped(ksize=3, out_channel_num=4).probe(torch.rand(2, 3, 8, 8)).shape == (2, 4, 7, 8)
