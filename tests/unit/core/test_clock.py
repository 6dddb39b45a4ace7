import pytest

from akid.core.clock import Clock
from akid.errors import SetupError


def test_a_fresh_clock_stands_at_zero() -> None:
    """A clock has counted nothing when it is made."""
    assert Clock().state_dict() == {"step": 0, "epoch": 0}


def test_two_clocks_do_not_know_each_other() -> None:
    """Facts 4.3.16: winding one clock leaves another as it was."""
    one, other = Clock(), Clock()

    one.tick()
    one.end_epoch()

    assert (one.step, one.epoch, other.step, other.epoch) == (1, 1, 0, 0)


def test_a_clock_goes_on_from_its_state() -> None:
    """load_state_dict restores both counts."""
    clock = Clock()
    clock.load_state_dict({"step": 41, "epoch": 3})

    clock.tick()

    assert repr(clock) == "Clock(step=42, epoch=3)"


@pytest.mark.parametrize(
    "state", [{}, {"step": 1}, {"step": 1, "epoch": -1}, {"step": 1.5, "epoch": 0}]
)
def test_a_clock_refuses_a_state_that_is_none(state: dict) -> None:
    """A state without both counts is an error that shows it."""
    with pytest.raises(SetupError, match=r"'step' and 'epoch'.*got state="):
        Clock().load_state_dict(state)
