import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.padding import PaddingLayer


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (4, (2, 3, 16, 17)),
        ([4, 4], (2, 3, 16, 17)),
        ([1, 2], (2, 3, 10, 13)),
        ([0, 1, 2, 0], (2, 3, 10, 13)),
        ([1, 2, 3], (2, 9, 10, 13)),
        ([0, 1, 2, 3], (2, 9, 10, 13)),
    ],
)
def test_zeros_go_around_height_and_width(padding, expected) -> None:
    """Channels are padded only when asked to; the image is in the middle."""
    x = torch.rand(2, 3, 8, 9)

    result = PaddingLayer(padding=padding)(x)

    assert result.shape == expected
    before = [(e - s) // 2 for e, s in zip(expected, x.shape, strict=True)]
    middle = result[
        :, before[1] : before[1] + 3, before[2] : before[2] + 8, before[3] : before[3] + 9
    ]
    assert torch.equal(middle, x)
    torch.testing.assert_close(result.sum(), x.sum())


def test_one_image_is_padded_too() -> None:
    """(C, H, W) is an image without a batch; the default is one pixel."""
    assert PaddingLayer()(torch.zeros(3, 8, 9)).shape == (3, 10, 11)


@pytest.mark.parametrize("padding", [-1, [1], [1, 1, 1, 1], [1.5, 1], [1, 2, 3, 4, 5]])
def test_other_forms_are_refused(padding) -> None:
    """Batches can't be padded, nor can padding be negative."""
    with pytest.raises(SetupError, match=re.escape("pad1: expected padding as n, [h, w]")):
        PaddingLayer(padding=padding, name="pad1")


def test_other_ranks_are_refused() -> None:
    """Vectors have no frame."""
    with pytest.raises(ShapeError, match=re.escape("got shape (2, 3).")):
        PaddingLayer().setup(torch.zeros(2, 3))


def test_padding_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: PaddingLayer([1, 2]), torch.randn(2, 3, 4, 4))
