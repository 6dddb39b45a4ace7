"""What one sees while a sweep runs."""

import io

from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.progress import LiveProgress, PlainProgress, SweepState, open_progress
from akid.tuning.results import FINISHED, KILLED, STATUSES


@given(st.integers(1, 9), st.integers(0, 5), st.data())
def test_the_total_never_changes(waiting: int, known: int, data: st.DataObject) -> None:
    """Whatever starts and ends, each trial is counted once."""
    state = SweepState(waiting=waiting, known=known)
    labels = [str(n) for n in range(waiting)]
    for label in labels[: data.draw(st.integers(0, waiting))]:
        state.start(label, 0.0)
        if data.draw(st.booleans()):
            state.end(label, 1.0, status=data.draw(st.sampled_from(STATUSES)))

        assert state.total == waiting + known


def test_the_rest_is_estimated_from_what_ended() -> None:
    """Two trials wait and one runs for half of the usual ten seconds."""
    state = SweepState(waiting=4)
    assert state.seconds_left(0.0) is None
    state.start("a", 0.0)
    state.end("a", 10.0, status=FINISHED)
    state.start("b", 10.0)

    assert state.seconds_left(15.0) == 5.0 + 2 * 10.0


def test_a_line_tells_of_counts_and_of_running_trials() -> None:
    """With epoch and metric of the latest row."""
    state = SweepState(waiting=2)
    state.start("lr=0.1", 0.0)
    state.hear("lr=0.1", [{"epoch": 1, "val_accuracy": 0.5}, {"epoch": 2, "val_loss": 1.0}])

    assert state.line(1.0, None) == (
        "0/2 done, 1 running, 1 waiting, 0 failed | lr=0.1: epoch 2 val_accuracy 0.5"
    )


def test_what_was_interrupted_has_not_failed() -> None:
    """It goes on with the next sweep."""
    state = SweepState(waiting=1)
    state.start("a", 0.0)
    state.end("a", 1.0, status=KILLED)

    assert state.line(1.0, None) == "0/1 done, 0 running, 0 waiting, 1 interrupted, 0 failed"


def test_nothing_is_said_of_the_rest_where_the_last_trial_takes_longer_than_usual() -> None:
    """Such as one that is tried again: nobody knows how long it will take."""
    state = SweepState(waiting=2)
    for label in ("a", "b"):
        state.start(label, 0.0)
    state.end("a", 10.0, status=FINISHED)

    assert state.line(5.0, None).endswith("| about 5 s left")
    assert state.line(11.0, None) == "1/2 done, 1 running, 0 waiting, 0 failed"


def test_plain_progress_writes_a_line_when_a_trial_ends() -> None:
    """And none for each row."""
    stream = io.StringIO()
    with open_progress(SweepState(waiting=1), metric=None, stream=stream) as progress:
        progress.start("lr=0.1")
        progress.hear("lr=0.1", [{"epoch": 1, "val_loss": 0.5}])
        progress.end("lr=0.1", status=FINISHED, summary="val_loss 0.5")

    assert isinstance(progress, PlainProgress)
    assert stream.getvalue() == (
        "lr=0.1: val_loss 0.5 | 1/1 done, 0 running, 0 waiting, 0 failed\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_live_progress_draws_the_running_trials() -> None:
    """On a terminal."""
    stream = Terminal()
    with open_progress(SweepState(waiting=2), metric=None, stream=stream) as progress:
        progress.start("lr=[0.1]")
        progress.hear("lr=[0.1]", [{"epoch": 3, "val_loss": 0.5}])

    assert isinstance(progress, LiveProgress)
    assert "0/2 done, 1 running, 1 waiting" in stream.getvalue()
    assert "lr=[0.1]" in stream.getvalue()


def test_live_progress_shows_texts_as_they_are() -> None:
    """What looks like markup is the user's: a path, a shape, a dict."""
    label, error = "lr=[0.1] [/x] :smile:", "no file in [/data/x] [batch, x] {':key:': a[0]} [red]"
    stream = Terminal()
    with open_progress(SweepState(waiting=2), metric="[/m]", stream=stream) as progress:
        progress.start("ended [/x]")
        progress.end("ended [/x]", status="FAILED", summary=error)
        progress.say(error)
        progress.start(label)
        progress.hear(label, [{"[/m]": 0.5}])
        progress.wait("waiting for [/gpu]")

    said, _, drawn = stream.getvalue().partition("waiting for [/gpu]\n")
    assert f"ended [/x]: {error}\n" in said
    assert f"\x1b[2K{error}\n" in said
    assert f"{label}: [/m] 0.5" in drawn
    assert "waiting for [/gpu]\x1b" in drawn
    assert f"\n{label} " in drawn
