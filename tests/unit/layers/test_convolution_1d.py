import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.errors import SetupError, ShapeError
from akid.layers.convolution_1d import Convolution1DLayer


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(5, 12),
    ksize=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
)
def test_it_equals_numpy(length, ksize, stride, padding) -> None:
    """Windows are summed by weight; SAME pads by TensorFlow's rule."""
    conv = Convolution1DLayer(ksize=ksize, strides=stride, padding=padding, out_channel_num=1)
    x = torch.randn(1, 1, length, dtype=torch.float64)
    conv.setup(x)

    result = conv.double()(x)[0, 0].detach().numpy()

    padded = x[0, 0].numpy()
    if padding == "SAME":
        total = max((math.ceil(length / stride) - 1) * stride + ksize - length, 0)
        padded = np.pad(padded, (total // 2, total - total // 2))
    expected = np.correlate(padded, conv.weights[0, 0].detach().numpy(), "valid")[::stride]
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_weights_and_forms_of_sizes() -> None:
    """Weights are (out, in, n); the three-element form is accepted."""
    conv = Convolution1DLayer(ksize=[1, 3, 1], strides=[2], dilation=2, out_channel_num=4)

    assert conv(torch.zeros(2, 5, 9)).shape == (2, 4, 5)
    assert conv.weights.shape == (4, 5, 3)


def test_wrong_inputs_and_sizes_are_refused() -> None:
    """Images and too short sequences are not what it takes."""
    with pytest.raises(ShapeError, match=re.escape("of shape (N, C, L), got shape (2, 3, 4, 4)")):
        Convolution1DLayer(ksize=3, out_channel_num=1).setup(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="at least 5 pixels"):
        Convolution1DLayer(ksize=5, padding="VALID", out_channel_num=1).setup(torch.zeros(2, 3, 4))
    with pytest.raises(SetupError, match=re.escape("got ksize=[3, 3]")):
        Convolution1DLayer(ksize=[3, 3], out_channel_num=1)


def test_convolution_1d_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: Convolution1DLayer(ksize=4, out_channel_num=4), torch.randn(2, 3, 8))
