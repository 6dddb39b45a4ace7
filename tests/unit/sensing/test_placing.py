import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from akid.errors import ShapeError
from akid.sensing.placing import Cut, gathered, place
from akid.sensing.window import Normalization, Window


def plain(image: torch.Tensor, steps: list[tuple], number: int) -> torch.Tensor:
    """Do the steps on one image the plain way."""
    for kind, *values in steps:
        if kind == "mirror" and values[0][number]:
            image = image.flip(2)
        elif kind == "turn" and values[0][number]:
            image = image.flip(1)
        elif kind == "pad":
            image = functional.pad(image, [values[1]] * 2 + [values[0]] * 2)
        elif kind == "crop":
            top, left = int(values[0][number]), int(values[1][number])
            image = image[:, top : top + values[2], left : left + values[3]]
    return image


@st.composite
def journeys(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, list[tuple], Window]:
    """Draw images, indices and a random sequence of steps, with the windows composed of them."""
    num_images, channels = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    images = torch.arange(1.0, num_images * channels * height * width + 1)
    images = images.reshape(num_images, channels, height, width)
    indices = torch.tensor(draw(st.lists(st.integers(0, num_images - 1), min_size=1, max_size=5)))
    num = len(indices)
    window = Window.whole(num, height, width, torch.device("cpu"))
    steps: list[tuple] = []
    for kind in draw(st.lists(st.sampled_from(["mirror", "turn", "pad", "crop"]), max_size=6)):
        if kind in ("mirror", "turn"):
            which = torch.tensor(draw(st.lists(st.booleans(), min_size=num, max_size=num)))
            steps.append((kind, which))
        elif kind == "pad":
            steps.append((kind, draw(st.integers(0, 3)), draw(st.integers(0, 3))))
        else:
            sizes = draw(st.integers(1, window.height_px)), draw(st.integers(1, window.width_px))
            spare = window.height_px - sizes[0], window.width_px - sizes[1]
            starts = (
                torch.tensor(draw(st.lists(st.integers(0, n), min_size=num, max_size=num)))
                for n in spare
            )
            steps.append((kind, *starts, *sizes))
        window = getattr(window, kind)(*steps[-1][1:])
    return images, indices, steps, window


@given(journeys())
@settings(max_examples=60, deadline=None)
def test_composed_windows_show_what_the_steps_show(
    journey: tuple[torch.Tensor, torch.Tensor, list[tuple], Window],
) -> None:
    """Both ways of cutting equal the steps done one by one on each image, and change no source."""
    images, indices, steps, window = journey
    before = images.clone()
    expected = torch.stack(
        [plain(images[index], steps, number) for number, index in enumerate(indices)]
    )

    for way in (gathered, place):
        assert torch.equal(way(images, indices, window), expected)
    assert torch.equal(images, before)


@given(journeys(), st.sampled_from([None, 2.0]), st.sampled_from([None, 4.0]))
@settings(max_examples=40, deadline=None)
def test_bytes_are_normalised_inside_of_the_image_only(
    journey: tuple[torch.Tensor, torch.Tensor, list[tuple], Window],
    subtract: float | None,
    divide: float | None,
) -> None:
    """As if normalised images had been padded: the frame is zero, not a normalised zero."""
    images, indices, steps, window = journey
    pixels = images.remainder(251).to(torch.uint8)
    normalization = Normalization(subtract=subtract, divide=divide)
    numbers = (pixels.float() - (subtract or 0)) / (divide or 1)
    expected = torch.stack(
        [plain(numbers[index], steps, number) for number, index in enumerate(indices)]
    )

    for way in (gathered, place):
        assert torch.equal(way(pixels, indices, window, normalization), expected)


def test_parts_of_a_cut_show_what_the_whole_shows() -> None:
    """Every second window, say, for a worker that has every second example."""
    images = torch.arange(5 * 3 * 4 * 4).remainder(256).view(5, 3, 4, 4).to(torch.uint8)
    start = torch.arange(5)
    window = Window.whole(5, 4, 4, torch.device("cpu")).mirror(start > 1).turn(start < 3)
    window = window.pad(2, 2).crop(start.clamp(max=4), start.clamp(max=2), 4, 4)
    normalization = Normalization(subtract=3.0, divide=7.0)
    indices, at = torch.arange(5), slice(1, 5, 2)
    out = torch.empty(2, 3, 4, 4)

    cut = Cut.of(window, images.shape[1:], torch.float32, normalization)
    cut.part(at).place(images, indices[at], out)

    assert torch.equal(out, place(images, indices, window, normalization)[at])


def test_a_source_of_other_memory_layout_is_placed_too() -> None:
    """A view that is not contiguous gives the same pixels."""
    images = torch.rand(3, 5, 4, 2).permute(0, 3, 1, 2)
    window = Window.whole(3, 5, 4, torch.device("cpu")).pad(1, 1)

    assert torch.equal(place(images, None, window), functional.pad(images, [1] * 4))


def test_an_empty_batch_stays_empty() -> None:
    """A worker's share may hold nothing."""
    window = Window.whole(0, 5, 4, torch.device("cpu")).pad(1, 1)

    assert place(torch.rand(3, 2, 5, 4), torch.zeros(0, dtype=torch.int64), window).shape[0] == 0


def test_other_than_images_are_refused() -> None:
    """The error states the shape it got."""
    with pytest.raises(ShapeError, match=r"got shape \(3, 5\)"):
        place(torch.rand(3, 5), None, Window.whole(3, 1, 5, torch.device("cpu")))
