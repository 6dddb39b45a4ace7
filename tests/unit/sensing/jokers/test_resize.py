import numpy as np
import pytest
import torch
from PIL import Image

from akid.errors import SetupError
from akid.sensing.jokers.resize import ResizeJoker


@pytest.mark.parametrize("method", [0, 1, 2, 3, "bilinear", "nearest", "bicubic", "area"])
def test_the_size_is_the_asked_one(method: int | str) -> None:
    """Larger or smaller; a flat image stays flat."""
    images = torch.full((2, 3, 8, 6), 5.0)

    for size in ((4, 4), (16, 7)):
        result = ResizeJoker(*size, resize_method=method)(images)
        assert result.shape == (2, 3, *size)
        torch.testing.assert_close(result, torch.full_like(result, 5))


def test_an_area_is_the_mean_of_what_it_covers() -> None:
    """Halving the size averages 2 x 2 pixels."""
    images = torch.arange(16.0).view(1, 1, 4, 4)

    result = ResizeJoker(2, 2, resize_method="area")(images)

    assert result.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_enlarging_bilinearly_agrees_with_pillow() -> None:
    """An independent implementation gives the same pixels."""
    pixels = np.random.default_rng(0).random((5, 6), dtype=np.float32)
    expected = np.asarray(Image.fromarray(pixels).resize((12, 15), Image.Resampling.BILINEAR))

    result = ResizeJoker(15, 12)(torch.from_numpy(pixels)[None, None])

    np.testing.assert_allclose(result[0, 0], expected, atol=1e-5)


def test_impossible_settings_are_refused() -> None:
    """Sizes and methods are checked when the joker is made."""
    with pytest.raises(SetupError, match="height=0"):
        ResizeJoker(0, 3)
    with pytest.raises(SetupError, match=r"\[0, 1, 2, 3, 'bilinear'.*resize_method='cubic'"):
        ResizeJoker(3, 3, resize_method="cubic")
