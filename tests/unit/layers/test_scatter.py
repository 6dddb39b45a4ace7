import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.scatter import ScatterLayer


def test_channels_are_given_in_slices() -> None:
    """What is left over is left out."""
    x = torch.randn(2, 7, 3, 3)

    first, second = ScatterLayer(scatter_len_list=[2, 4])(x)

    assert torch.equal(first, x[:, :2])
    assert torch.equal(second, x[:, 2:6])


@pytest.mark.parametrize("lengths", [[], [2, 0]])
def test_wrong_lengths_are_refused(lengths) -> None:
    """Each output needs a channel."""
    with pytest.raises(SetupError, match=re.escape(f"got scatter_len_list={lengths!r}")):
        ScatterLayer(lengths)


def test_too_few_channels_are_refused() -> None:
    """The message has the lengths and the shape."""
    with pytest.raises(
        ShapeError, match=re.escape("C of 8 or more for scatter_len_list=[4, 4], got")
    ):
        ScatterLayer([4, 4]).setup(torch.zeros(2, 7))


def test_scatter_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: ScatterLayer([1, 2]), torch.randn(2, 4))
