import pytest
import torch

from akid.errors import SetupError
from akid.sensing.jokers.mixup import MixupJoker


def test_labels_are_blended_as_the_images_are() -> None:
    """Each image shows its class, so its pixels must equal its blended label."""
    labels = torch.arange(100) % 5
    images = torch.nn.functional.one_hot(labels, 5).float().view(100, 5, 1, 1).expand(-1, -1, 2, 2)

    mixed, dense = MixupJoker(5).play([images, labels], torch.Generator().manual_seed(0))

    assert dense.shape == (100, 5)
    torch.testing.assert_close(dense.sum(1), torch.ones(100))
    torch.testing.assert_close(mixed, dense[:, :, None, None].expand_as(mixed))
    assert ((dense > 0.01) & (dense < 0.99)).any()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_the_weights_follow_the_beta_distribution(alpha: float) -> None:
    """Mean one half, variance 1 / (4 (2 alpha + 1)); nothing is NaN."""
    images = torch.zeros(20000, 1, 1, 1)
    weights = MixupJoker(2, alpha=alpha)._weights(images, torch.Generator().manual_seed(0))

    assert abs(float(weights.mean()) - 0.5) < 0.02
    assert abs(float(weights.var()) - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_impossible_settings_are_refused() -> None:
    """No classes, no spread, or other than one kind of label."""
    with pytest.raises(SetupError, match="alpha=0"):
        MixupJoker(3, alpha=0)
    with pytest.raises(SetupError, match="got 1 tensors"):
        MixupJoker(3)([torch.zeros(2, 1, 1, 1)])
