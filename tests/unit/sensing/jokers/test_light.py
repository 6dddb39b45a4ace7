import pytest
import torch

from akid.sensing.jokers.light import LightJoker


def test_contrast_keeps_each_channels_mean_and_stretches_about_it() -> None:
    """One factor an image, between 0.2 and 1.8."""
    images = torch.rand(50, 3, 4, 4) * 255

    result = LightJoker(brightness=False)(images)

    mean = images.mean((2, 3), keepdim=True)
    torch.testing.assert_close(result.mean((2, 3), keepdim=True), mean)
    factor = ((result - mean) / (images - mean)).flatten(1)
    middle = factor.median(1, keepdim=True)[0]
    torch.testing.assert_close(factor, middle.expand_as(factor), rtol=1e-2, atol=1e-2)
    assert 0.19 < middle.min() < 0.5
    assert 1.5 < middle.max() < 1.81


@pytest.mark.parametrize("delta", [63.0, 0.25])
def test_brightness_adds_one_number_to_an_image(delta: float) -> None:
    """Up to the given one, to either side."""
    images = torch.rand(50, 3, 4, 4, dtype=torch.float64)

    added = (LightJoker(contrast=False, brightness_delta=delta)(images) - images).flatten(1)

    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    assert -delta <= added.min() < -delta / 2
    assert delta / 2 < added.max() <= delta


def test_nothing_to_change_changes_nothing() -> None:
    """Both switched off."""
    images = torch.rand(2, 3, 4, 4)

    assert torch.equal(LightJoker(contrast=False, brightness=False)(images), images)
