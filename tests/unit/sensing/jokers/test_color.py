import colorsys

import pytest
import torch

from akid.errors import ShapeError
from akid.sensing.jokers.color import ColorJoker

STILL = {
    "brightness_delta": 0.0,
    "saturation_range": (1.0, 1.0),
    "hue_delta": 0.0,
    "contrast_range": (1.0, 1.0),
}


def test_without_any_change_the_colours_stay() -> None:
    """To the rounding of the change to another colour space and back."""
    images = torch.rand(3, 3, 4, 4)

    torch.testing.assert_close(ColorJoker(**STILL)(images), images, rtol=0, atol=1e-5)


def test_no_saturation_gives_grey_of_the_same_luminance() -> None:
    """All three channels become the luminance."""
    images = torch.rand(3, 3, 4, 4)

    result = ColorJoker(**{**STILL, "saturation_range": (0.0, 0.0)})(images)

    luminance = torch.einsum("c,nchw->nhw", torch.tensor([0.299, 0.587, 0.114]), images)
    for channel in range(3):
        torch.testing.assert_close(result[:, channel], luminance, rtol=0, atol=1e-5)


def test_turning_the_hue_keeps_the_luminance() -> None:
    """Another colour, as bright as before; grey stays grey."""
    images = 0.4 + 0.2 * torch.rand(20, 3, 2, 2)
    grey = torch.full((1, 3, 2, 2), 0.3)
    joker = ColorJoker(**{**STILL, "hue_delta": 0.5})

    result = joker(images)

    before, after = (colorsys.rgb_to_yiq(*x.permute(1, 0, 2, 3)) for x in (images, result))
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=5e-3)
    assert not torch.allclose(result, images, atol=0.05)
    torch.testing.assert_close(joker(grey), grey, rtol=0, atol=1e-5)


def test_the_result_is_in_range() -> None:
    """Whatever is added or stretched, the pixels stay in [0, 1]."""
    result = ColorJoker()(torch.rand(50, 3, 4, 4))

    assert result.min() >= 0
    assert result.max() <= 1


def test_other_than_three_channels_are_refused() -> None:
    """The error points to the joker for any number of channels."""
    with pytest.raises(ShapeError, match=r"\(2, 1, 4, 4\).*LightJoker"):
        ColorJoker()(torch.rand(2, 1, 4, 4))
