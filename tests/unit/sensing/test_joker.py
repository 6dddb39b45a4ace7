import pytest
import torch

from akid.errors import ShapeError
from akid.sensing.joker import Joker, draw
from akid.sensing.jokers.color import ColorJoker
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.cutout import CutoutJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.jokers.light import LightJoker
from akid.sensing.jokers.resize import ResizeJoker
from akid.sensing.jokers.rotation import RotationJoker
from akid.sensing.jokers.whiten import RescaleJoker, WhitenJoker

RANDOM = [
    FlipJoker(),
    FlipJoker(flip_left_right=False),
    CropJoker(5, 4),
    LightJoker(),
    ColorJoker(),
    RotationJoker(),
    CutoutJoker(3),
]
FIXED = [
    CropJoker(5, 4, center=True),
    CropJoker(central_fraction=0.5),
    ResizeJoker(4, 9),
    WhitenJoker(),
    RescaleJoker(),
]
names = [type(joker).__name__ for joker in RANDOM + FIXED]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("joker", RANDOM + FIXED, ids=names)
def test_every_joker_keeps_its_promises(joker: Joker) -> None:
    """Same number and dtype of images, the given ones untouched, the same seed the same images."""
    for dtype in (torch.float32, torch.float64):
        images = torch.rand(6, 3, 8, 7, generator=generator(0)).to(dtype)
        before = images.clone()

        result = joker.play(images, generator(1))

        assert result.dtype == dtype
        assert result.shape[:2] == (6, 3)
        assert result.isfinite().all()
        assert torch.equal(images, before)
        assert torch.equal(joker.play(images, generator(1)), result)
        assert joker(images).shape == result.shape


@pytest.mark.parametrize("joker", RANDOM, ids=names[: len(RANDOM)])
def test_a_random_joker_draws_for_each_image(joker: Joker) -> None:
    """Copies of one image come out different from each other, and another seed differs too."""
    images = torch.rand(1, 3, 8, 7, generator=generator(0)).expand(64, 3, 8, 7).contiguous()

    result = joker.play(images, generator(1))

    assert len(result.unique(dim=0)) > 1
    assert not torch.equal(joker.play(images, generator(2)), result)


def test_a_joker_takes_images_only() -> None:
    """The error says what a batch of images looks like."""
    with pytest.raises(ShapeError, match=r"FlipJoker: expected images.*got shape \(3, 8\)"):
        FlipJoker()(torch.rand(3, 8))


def test_draws_are_one_number_an_image() -> None:
    """Uniform in the range, in the images' type, ready to be broadcast."""
    numbers = draw(1000, -2, 3, torch.zeros(1, dtype=torch.float64), generator(0))

    assert numbers.shape == (1000, 1, 1, 1)
    assert numbers.dtype == torch.float64
    assert numbers.min() >= -2
    assert numbers.max() < 3
    assert abs(float(numbers.mean()) - 0.5) < 0.2
