"""What the store has not taken waits on disk, within bounds, and is found again."""

import json
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from akid.errors import TrackingError
from akid.tuning.spool import Spool, SpoolHead, left_below
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.tracking_events import Ended, Left, Recorded, Started, SweepEnded, Tagged

HEAD = SpoolHead(uri="sqlite:///mlflow.db", experiment="digits", sweep="ab12")
START = TrialStart(index=0, label="lr=0.1", params={"lr": "0.1"}, tags={"a": "b"}, started_s=1.5)
EVENTS = [
    Started(start=START),
    Recorded(index=0, rows=[{"step": 1, "time_s": 2.5, "loss": float("inf")}]),
    Tagged(index=0, tags={"akid.worker_host": "here"}),
    Left(index=0, files={"training.log": "/a/training.log"}, texts={"trial.py": "text"}),
    Ended(index=0, end=TrialEnd(status="FINISHED", summary={"best/loss": 1.0}, ended_s=3.5)),
    Left(index=None, texts={"experiment.py": "text"}),
    Tagged(index=None, tags={"mlflow.note.content": "a table"}),
    SweepEnded(status="KILLED", summary={"trials/killed": 1.0}, ended_s=4.5),
]


@contextmanager
def full_disk(after_bytes: int = 0):
    """Let no file of this process grow beyond a size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def rows(index: int, first: int, count: int = 10) -> Recorded:
    steps = range(first, first + count)
    return Recorded(index=index, rows=[{"step": n, "time_s": 0.0, "loss": 1.0} for n in steps])


def read_all(spool: Spool) -> list:
    return [spool.read(number) for number in spool.waiting()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return HEAD.file(tmp_path / HEAD.experiment)


def test_events_outlive_the_process(file, tmp_path) -> None:
    """As they were, in their order; who has them locked keeps others off."""
    spool = Spool(file, HEAD)
    for event in EVENTS:
        spool.add(event)
    spool.commit()

    assert Spool.open_left(file) is None
    spool.close()
    left = Spool.open_left(file)
    assert (left.head, read_all(left)) == (HEAD, EVENTS)
    assert left.holds(artifacts=True, index=None)
    assert not left.holds(artifacts=False, index=1)
    assert left_below(file.parents[1]) == left_below(tmp_path) == [file]
    left.close()


def test_what_was_taken_waits_no_more(file) -> None:
    """Not for the next process either; without anything that waits there is no file."""
    spool = Spool(file, HEAD)
    spool.commit()
    assert not file.parent.exists()
    for event in EVENTS:
        spool.add(event)
    for number in spool.waiting()[:5]:
        spool.remove(number)
    spool.close()

    left = Spool.open_left(file)
    assert read_all(left) == EVENTS[5:]
    left.add(EVENTS[0])
    assert read_all(left) == [*EVENTS[5:], EVENTS[0]]
    for number in left.waiting():
        left.remove(number)
    left.close()
    assert not file.parent.exists()


def test_the_oldest_rows_are_thinned_beyond_the_bounds(file) -> None:
    """Everything else stays, and each metric's last value."""
    spool = Spool(file, HEAD, max_bytes=6000)
    for event in EVENTS[:3]:
        spool.add(event)
    for first in range(0, 400, 10):
        spool.add(rows(1, first))
    for event in EVENTS[3:]:
        spool.add(event)
    assert file.stat().st_size <= 6000 + 1000
    spool.close()

    left = Spool.open_left(file)
    found = read_all(left)
    assert [e for e in found if not isinstance(e, Recorded) or e.index == 0] == EVENTS
    steps = [row["step"] for e in found if isinstance(e, Recorded) for row in e.rows][1:]
    assert steps == sorted(set(steps))
    assert steps[-1] == 399
    assert spool.dropped_rows == 400 - len(steps) > 100
    left.close()


@pytest.mark.parametrize("after_bytes", [0, 60, 300])
def test_a_full_disk_keeps_all_but_metrics_and_of_those_the_last(file, after_bytes) -> None:
    """In memory, and on disk once there is room; what is lost is counted."""
    spool = Spool(file, HEAD)
    with full_disk(after_bytes):
        spool.add(EVENTS[0])
        for first in (0, 10, 20):
            spool.add(rows(0, first))
        spool.add(EVENTS[4])
        spool.commit()
        held = read_all(spool)
    assert held == [EVENTS[0], Recorded(index=0, rows=rows(0, 29, 1).rows), EVENTS[4]]
    assert spool.lost_rows == 29
    spool.close()

    left = Spool.open_left(file)
    assert read_all(left) == held
    left.close()


def test_other_files_are_refused(file) -> None:
    """Also those of a later akid, which are not for this one to judge."""
    file.parent.mkdir(parents=True)
    file.write_text("text\n")
    with pytest.raises(TrackingError, match="got something else"):
        Spool.open_left(file)
    file.write_text(json.dumps({"akid_spool": 2}) + "\n")
    with pytest.raises(TrackingError, match="got format 2"):
        Spool.open_left(file)
    assert Spool.open_left(file.with_name("none")) is None


def test_a_damaged_event_does_not_hide_the_others(file) -> None:
    """It is counted."""
    spool = Spool(file, HEAD)
    for event in EVENTS:
        spool.add(event)
    spool.close()
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], "damage", *lines[3:], '{"number":9,"ev']))

    left = Spool.open_left(file)
    assert read_all(left) == [EVENTS[0], *EVENTS[2:]]
    assert left.damaged_lines == 1
    left.close()
