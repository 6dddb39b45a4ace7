import torch

from akid.observing.portrait import portrait


def test_three_channels_are_colours_and_others_are_grey() -> None:
    """Both from 0 to 1, whatever centre and scale the images were given."""
    colours = portrait(torch.linspace(-2, 2, 60).reshape(3, 4, 5))

    assert colours.shape == (4, 5, 3)
    assert (colours.min(), colours.max()) == (0, 1)
    assert portrait(torch.rand(2, 4, 5)).shape == (4, 5)
    assert portrait(torch.rand(7)).shape == (1, 7)


def test_an_even_image_is_drawn_too() -> None:
    """There is no contrast to scale."""
    assert portrait(torch.full((1, 2, 2), 0.3)).max() == 0
