import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.sensing.jokers.crop import CropJoker


def test_every_place_is_drawn() -> None:
    """A window of 2 x 2 in 3 x 4 pixels has six places; all come up, each a part of the image."""
    image = torch.arange(12.0).reshape(1, 1, 3, 4)

    crops = CropJoker(2, 2).play(image.repeat(300, 1, 1, 1), torch.Generator().manual_seed(0))

    parts = {
        tuple(image[0, 0, t : t + 2, s : s + 2].flatten().tolist())
        for t in (0, 1)
        for s in (0, 1, 2)
    }
    assert {tuple(crop.flatten().tolist()) for crop in crops} == parts


def test_the_middle_is_cut_or_framed_by_zeros() -> None:
    """A larger image is cut, a smaller one padded, in each direction by itself."""
    image = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)

    middle = CropJoker(1, 2, center=True)(image)
    framed = CropJoker(5, 2, center=True)(image)

    assert middle.flatten().tolist() == [6, 7]
    assert framed[0, 0].tolist() == [[0, 0], [2, 3], [6, 7], [10, 11], [0, 0]]


def test_a_fraction_of_the_middle_is_cut() -> None:
    """Half of each side."""
    image = torch.arange(16.0).reshape(1, 1, 4, 4)

    assert CropJoker(central_fraction=0.5)(image).flatten().tolist() == [5, 6, 9, 10]


def test_an_image_that_is_too_small_is_refused() -> None:
    """The error names both sizes and what to do."""
    with pytest.raises(ShapeError, match=r"height=9 and width=2, got 3 x 4.*Pad them"):
        CropJoker(9, 2)(torch.rand(1, 1, 3, 4))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"height": 3},
        {"height": 0, "width": 3},
        {"central_fraction": 0},
        {"central_fraction": 1.5},
        {"height": 3, "width": 3, "central_fraction": 0.5},
    ],
)
def test_a_size_or_a_fraction_must_be_given(settings: dict[str, float]) -> None:
    """One of the two, and a sensible one."""
    with pytest.raises(SetupError, match="expected height and width"):
        CropJoker(**settings)
