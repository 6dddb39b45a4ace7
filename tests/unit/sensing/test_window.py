import pytest
import torch

from akid.sensing.window import Normalization, Window


def test_nothing_is_seen_of_pixels_that_were_cut_off_before_a_pad() -> None:
    """A pad after a crop brings zeros, not the image's own pixels back."""
    zero = torch.zeros(1, dtype=torch.int64)
    window = Window.whole(1, 4, 4, torch.device("cpu")).crop(zero + 1, zero, 2, 4).pad(1, 0)

    assert (window.height_px, window.width_px) == (4, 4)
    assert [int(bound) for bound in window.rows] == [1, 3]
    assert int(window.top) == 0


def test_turning_twice_is_turning_not_at_all() -> None:
    """Both ways of turning compose."""
    which = torch.tensor([True, False])
    window = Window.whole(2, 4, 4, torch.device("cpu"))

    assert not window.mirror(which).mirror(which).mirrored.any()
    assert not window.turn(which).turn(which).turned.any()


def test_a_part_keeps_everything_of_some_windows() -> None:
    """In the order that was asked for."""
    start = torch.tensor([0, 1, 2])
    window = Window.whole(3, 6, 6, torch.device("cpu")).mirror(start > 0).turn(start > 1)
    window = window.crop(start, start, 3, 3).pad(1, 1)

    part = window.part(torch.tensor([2, 0]))

    assert part.num == 2
    assert part.mirrored.tolist() == [True, False]
    assert part.top.tolist() == window.top[[2, 0]].tolist()
    assert part.rows[0].tolist() == window.rows[0][[2, 0]].tolist()


@pytest.mark.parametrize(("subtract", "divide"), [(None, None), (127.5, None), (127.5, 255.0)])
def test_normalising_is_a_factor_and_an_offset(
    subtract: float | None, divide: float | None
) -> None:
    """Both forms give the same numbers."""
    normalization = Normalization(subtract=subtract, divide=divide)
    numbers = torch.arange(256.0)
    factor, offset = normalization.factor_and_offset

    torch.testing.assert_close(normalization.apply_(numbers.clone()), numbers * factor + offset)
