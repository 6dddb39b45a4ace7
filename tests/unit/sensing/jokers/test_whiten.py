import torch

from akid.sensing.jokers.whiten import RescaleJoker, WhitenJoker


def test_each_image_gets_mean_0_and_deviation_1() -> None:
    """Over all its pixels and channels, whatever the others are."""
    images = torch.rand(5, 3, 6, 6) * torch.arange(1, 6).view(5, 1, 1, 1) + 7

    result = WhitenJoker()(images)

    torch.testing.assert_close(result.mean((1, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((1, 2, 3), correction=0), torch.ones(5))


def test_a_flat_image_becomes_zeros() -> None:
    """No division by zero."""
    assert not WhitenJoker()(torch.full((1, 3, 4, 4), 9.0)).any()


def test_the_largest_value_becomes_1() -> None:
    """And an image without a value above 0 stays as it is."""
    images = torch.stack([torch.arange(4.0), torch.zeros(4), -torch.ones(4)]).view(3, 1, 2, 2)

    result = RescaleJoker()(images)

    assert result.amax((1, 2, 3)).tolist() == [1, 0, -1]
    torch.testing.assert_close(result[0].flatten(), torch.arange(4.0) / 3)
