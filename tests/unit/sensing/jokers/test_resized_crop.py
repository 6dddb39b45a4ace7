import pytest
import torch
from torch.nn import functional

from akid.errors import SetupError
from akid.sensing.jokers.resized_crop import ResizedCropJoker


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (30, 40)])
def test_each_image_is_cut_and_stretched_as_by_itself(height: int, width: int) -> None:
    """Equal to torch's interpolation of the part alone, larger or smaller than it."""
    images = torch.rand(20, 3, 16, 12, generator=generator())
    joker = ResizedCropJoker(height, width)

    played = joker.play(images, generator())

    rectangles = torch.stack(joker.rectangles(images, generator()), dim=1).tolist()
    for image, rectangle, result in zip(images, rectangles, played, strict=True):
        top, left, rows, columns = rectangle
        part = image[None, :, top : top + rows, left : left + columns]
        expected = functional.interpolate(
            part, (height, width), mode="bilinear", align_corners=False
        )
        torch.testing.assert_close(result, expected[0], rtol=0, atol=1e-5)


def test_areas_and_aspects_are_in_range_and_all_places_are_reached() -> None:
    """Up to the rounding to whole pixels."""
    images = torch.zeros(4000, 1, 100, 80)
    joker = ResizedCropJoker(8, 8, area_range=(0.25, 0.5), aspect_range=(0.5, 2.0))

    top, left, height, width = (side.double() for side in joker.rectangles(images, generator()))

    area, aspect = height * width / 8000, width / height
    assert 0.24 < area.min() < 0.26
    assert 0.49 < area.max() < 0.51
    assert 0.49 < aspect.min() < 0.55
    assert 1.8 < aspect.max() < 2.05
    assert abs(area.mean() - 0.375) < 0.01
    assert abs(aspect.log().mean()) < 0.05
    assert min(top.min(), left.min()) == 0
    assert (top + height).max() == 100
    assert (left + width).max() == 80


def test_what_never_fits_is_taken_from_the_middle() -> None:
    """A strip has no square of its whole area."""
    joker = ResizedCropJoker(4, 4, area_range=(0.9, 1.0), aspect_range=(1.0, 1.0))

    sides = joker.rectangles(torch.zeros(5, 1, 4, 40), generator())

    assert [side.unique().tolist() for side in sides] == [[0], [18], [4], [4]]


@pytest.mark.parametrize(
    "options", [{"height": 0}, {"area_range": (0, 1)}, {"aspect_range": (2, 1)}]
)
def test_ranges_are_checked(options: dict[str, object]) -> None:
    """The error says what came in."""
    with pytest.raises(SetupError, match="an area_range in"):
        ResizedCropJoker(**{"height": 4, "width": 4, **options})
