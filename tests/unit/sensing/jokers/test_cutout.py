import pytest
import torch

from akid.errors import SetupError
from akid.sensing.jokers.cutout import CutoutJoker


def test_one_square_of_each_image_is_hidden() -> None:
    """Its side is the asked one unless it reaches over the edge; all channels alike."""
    images = torch.ones(300, 3, 10, 12)

    result = CutoutJoker(4).play(images, torch.Generator().manual_seed(0))

    hidden = result == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    rows, columns = hidden[:, 0].any(2).sum(1), hidden[:, 0].any(1).sum(1)
    assert torch.equal(hidden[:, 0].sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == 4
    assert rows.min() == columns.min() == 2
    assert hidden.any(0).all()


def test_a_side_of_nothing_is_refused() -> None:
    """At least one pixel."""
    with pytest.raises(SetupError, match="size_px=0"):
        CutoutJoker(0)
