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
    """Those that were asked for."""
    start = torch.tensor([0, 1, 2])
    window = Window.whole(3, 6, 6, torch.device("cpu")).mirror(start > 0).turn(start > 1)
    window = window.crop(start, start, 3, 3).pad(1, 1)

    part = window.part(slice(0, 3, 2))

    assert part.num == 2
    assert part.mirrored.tolist() == [False, True]
    assert part.top.tolist() == window.top[[0, 2]].tolist()
    assert part.rows[0].tolist() == window.rows[0][[0, 2]].tolist()


def test_normalising_may_divide_each_number_by_its_own() -> None:
    """By infinity where nothing is to be seen."""
    divide = torch.tensor([2.0, torch.inf])

    numbers = Normalization(subtract=4.0, divide=3.0).over(divide).apply_(torch.tensor([8.0, 9.0]))

    assert numbers.tolist() == [2.0, 0.0]
