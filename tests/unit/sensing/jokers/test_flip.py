import pytest
import torch

from akid.errors import SetupError
from akid.sensing.jokers.flip import FlipJoker


@pytest.mark.parametrize(("left_right", "dim"), [(True, 3), (False, 2)])
def test_images_are_turned_over_along_one_side(left_right: bool, dim: int) -> None:
    """Always with probability 1, never with 0."""
    images = torch.rand(4, 3, 5, 6)

    assert torch.equal(FlipJoker(left_right, probability=1)(images), images.flip(dim))
    assert torch.equal(FlipJoker(left_right, probability=0)(images), images)


def test_about_half_of_the_images_are_turned() -> None:
    """The coin is fair."""
    images = torch.arange(2.0).reshape(1, 1, 1, 2).repeat(2000, 1, 1, 1)

    turned = FlipJoker().play(images, torch.Generator().manual_seed(0))[:, 0, 0, 0]

    assert 900 < turned.sum() < 1100


def test_a_probability_is_between_0_and_1() -> None:
    """The error names the value."""
    with pytest.raises(SetupError, match=r"probability=1.5"):
        FlipJoker(probability=1.5)
