import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.pooling_1d import MaxPooling1DLayer


@pytest.mark.parametrize(
    ("ksize", "strides", "padding", "expected"),
    [
        (2, None, "VALID", [3.0, 5.0]),
        ([1, 3, 1], [2], "SAME", [3.0, 5.0, 5.0]),
        (2, 1, "SAME", [3.0, 3.0, 5.0, 5.0, 4.0]),
    ],
)
def test_each_window_gives_its_largest(ksize, strides, padding, expected) -> None:
    """SAME pads the odd one at the end."""
    x = torch.tensor([[[1.0, 3.0, 2.0, 5.0, 4.0]]])

    assert MaxPooling1DLayer(ksize, strides, padding)(x).tolist() == [[expected]]


def test_wrong_inputs_and_sizes_are_refused() -> None:
    """It takes sequences, and sizes of one dimension."""
    with pytest.raises(
        ShapeError, match=re.escape("pool1: expected an input of shape (N, C, L), got")
    ):
        MaxPooling1DLayer(2, name="pool1").setup(torch.zeros(2, 3))
    with pytest.raises(SetupError, match=re.escape("MaxPooling1DLayer: expected ksize as n, [n]")):
        MaxPooling1DLayer([2, 2])


def test_max_pooling_1d_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: MaxPooling1DLayer(3, 2, "SAME"), torch.randn(2, 3, 8))
