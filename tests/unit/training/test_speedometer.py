import time

from akid.training.speedometer import Speedometer


def test_pauses_do_not_count() -> None:
    """Samples a second are those of the time beside the pauses."""
    speed = Speedometer()
    speed.count(10)
    with speed.pause():
        time.sleep(0.05)

    assert speed.lap() > 10 / 0.05
    assert speed.total() > 10 / 0.05


def test_a_lap_begins_anew() -> None:
    """What was counted before does not count again, but for the total."""
    speed = Speedometer()
    speed.count(10)
    speed.lap()

    assert speed.lap() == 0
    assert speed.total() > 0
