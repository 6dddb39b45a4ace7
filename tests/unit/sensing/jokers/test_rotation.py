import numpy as np
import pytest
import torch
from scipy import ndimage

from akid.errors import SetupError
from akid.sensing.joker import draw
from akid.sensing.jokers.rotation import RotationJoker


def test_no_angle_changes_nothing() -> None:
    """Turning by 0 degrees gives the image back."""
    images = torch.rand(3, 2, 5, 9)

    torch.testing.assert_close(RotationJoker(0)(images), images, rtol=0, atol=1e-5)


def test_every_pixel_is_scipys() -> None:
    """Bilinear between pixels and to the zeros around, at an angle drawn for each image."""
    images = torch.rand(6, 1, 9, 14, dtype=torch.float64)
    angles = draw(6, -torch.pi, torch.pi, images, torch.Generator().manual_seed(0)).flatten()

    turned = RotationJoker(180).play(images, torch.Generator().manual_seed(0))

    middle = np.array([4.0, 6.5])
    for image, angle, result in zip(images[:, 0], angles.tolist(), turned[:, 0], strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        expected = ndimage.affine_transform(
            image.numpy(), turn, middle - turn @ middle, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(result, expected, atol=1e-9)


def test_distances_are_kept_in_images_that_are_not_square() -> None:
    """A disc in the middle of a wide image stays the disc that it was, at any angle."""
    rows, columns = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(41.0) - 20, indexing="ij")
    disc = torch.exp(-(rows**2 + columns**2) / 18).expand(20, 1, 21, 41).contiguous()

    turned = RotationJoker(180).play(disc, torch.Generator().manual_seed(0))

    torch.testing.assert_close(turned, disc, rtol=0, atol=0.03)


def test_the_angle_stays_within_the_limit() -> None:
    """A spot at the right moves by at most the sine of the angle, up or down."""
    images = torch.zeros(200, 1, 41, 41)
    images[:, :, 20, 38] = 1

    turned = RotationJoker(30).play(images, torch.Generator().manual_seed(0))

    weight = turned.sum((1, 2, 3))
    height = (turned.sum((1, 3)) * (torch.arange(41.0) - 20)).sum(1) / weight
    assert -9.6 < height.min() < -7
    assert 7 < height.max() < 9.6


def test_a_negative_angle_is_refused() -> None:
    """The limit is a size."""
    with pytest.raises(SetupError, match="max_angle_deg=-1"):
        RotationJoker(-1)
