"""What earlier sweeps left behind is brought to its true end."""

import threading
from pathlib import Path

import pytest

from akid.errors import RefusedError, StorageError, TrackingError
from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import make_trial
from akid.tuning import provenance
from akid.tuning.rows import RowFile
from akid.tuning.settling import close_left_open, send, settle
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import ERROR_TAG, FOLDER_TAG, TrialEnd, TrialStart
from akid.tuning.tracking_events import Ended, Left, Recorded, Started, SweepEnded

RESULT = {
    "final": {"loss": 2.0},
    "best": {"loss": 1.0},
    "test": {"test_loss": 3.0},
    "usage": {"gpu/peak_memory_bytes": 5.0},
    "duration_s": 4.0,
    "unsaved_checkpoints": 2,
}
ROWS = [{"step": 1, "time_s": 10.0, "loss": 2.5}, {"step": 2, "time_s": 11.0, "loss": 2.0}]


@pytest.fixture
def alive() -> dict[str, str]:
    return provenance.tags(None)


@pytest.fixture
def dead(alive) -> dict[str, str]:
    return {**alive, "akid.driver_pid": str(2**22 + 1)}  # above what Linux gives out


def start(tracker: MemoryTracker, sweep: str, index: int, tags: dict[str, str]) -> str:
    return tracker.start_trial(TrialStart.of(make_trial(index), tags=tags), parent_id=sweep)


def practised(folder: Path, index: int, *, finished: bool) -> str:
    """Leave what a worker leaves in a trial's folder."""
    rows = RowFile(folder / str(index), make_trial(index).key)
    rows.begin()
    for row in ROWS:
        rows.add(row)
    if finished:
        rows.end(RESULT)
    rows.close()
    (folder / str(index) / "trial.py").write_text("program")
    return str(folder / str(index))


def spooled(tracker: MemoryTracker, folder: Path, uri: str = "here") -> tuple[str, Path]:
    """Leave what a driver leaves whose store was down from the first trial on."""
    sweep = tracker.start_sweep("sweep", tags={})
    head = SpoolHead(uri=uri, experiment="test", sweep=sweep)
    spool = Spool(head.file(folder), head)
    for event in (
        Started(start=TrialStart.of(make_trial(0), tags={})),
        Recorded(index=0, rows=ROWS),
        Left(index=0, texts={"trial.py": "program"}),
        Ended(index=0, end=TrialEnd(status="FINISHED")),
        SweepEnded(status="FINISHED", summary={}, ended_s=12.0),
    ):
        spool.add(event)
    spool.close()
    return sweep, head.file(folder)


def test_runs_of_the_living_are_left_open(alive) -> None:
    """Theirs to close."""
    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags=alive)
    start(tracker, sweep, 0, alive)

    assert close_left_open(tracker) == 0
    assert {run.status for run in tracker.runs.values()} == {"RUNNING"}


def test_runs_of_the_dead_are_closed_as_what_they_came_to(tmp_path, dead) -> None:
    """FINISHED with all numbers where the trial had come to its end, else KILLED."""
    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags=dead)
    tags = {**dead, FOLDER_TAG: practised(tmp_path, 0, finished=True)}
    finished = start(tracker, sweep, 0, tags)
    tracker.log_rows(finished, ROWS[:1])
    tags = {**dead, FOLDER_TAG: practised(tmp_path, 1, finished=False)}
    broken_off = start(tracker, sweep, 1, tags)
    gone = start(tracker, sweep, 2, {**dead, FOLDER_TAG: str(tmp_path / "gone")})
    other = start(tracker, sweep, 3, {**dead, FOLDER_TAG: str(tmp_path / "0")})
    nowhere = start(tracker, sweep, 4, dead)

    assert close_left_open(tracker) == 6
    statuses = {run_id: run.status for run_id, run in tracker.runs.items()}
    assert statuses == {
        sweep: "KILLED",
        finished: "FINISHED",
        **dict.fromkeys((broken_off, gone, other, nowhere), "KILLED"),
    }
    known = {run.run_id: run for run in tracker.known_runs()}[finished]
    assert (known.best, known.test, known.duration_s) == ({"loss": 1.0}, {"test_loss": 3.0}, 4.0)
    assert tracker.runs[finished].rows == ROWS
    assert tracker.runs[finished].summary["gpu/peak_memory_bytes"] == 5.0
    assert tracker.runs[finished].summary["unsaved_checkpoints"] == 2.0
    assert tracker.runs[finished].artifacts == {"trial.py": "program"}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "DIVERGED", "STOPPED"])
def test_an_end_that_was_told_by_half_is_not_another(dead, status: str) -> None:
    """The sweep died after it had said what became of the trial, before it closed the run."""
    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags=dead)
    run = start(tracker, sweep, 0, dead)
    tracker.set_tags(run, {"akid.status": status, ERROR_TAG: "what was wrong"})

    close_left_open(tracker)

    (known,) = tracker.known_runs()
    assert (known.status, known.error) == (status, "what was wrong")


def test_a_run_whose_files_can_not_be_asked_stays_open(dead, monkeypatch) -> None:
    """The object store may be back for the next sweep, and say that the trial finished."""

    def away(*_: object) -> None:
        raise StorageError("s3://runs does not answer")

    monkeypatch.setattr("akid.tuning.settling.left_in", away)
    tracker = MemoryTracker()
    run = start(tracker, tracker.start_sweep("sweep", tags=dead), 0, dead)

    close_left_open(tracker)

    assert tracker.runs[run].status == "RUNNING"


def test_what_waits_is_sent_before_a_sweep_is_planned(tmp_path) -> None:
    """Then its trials are known; the file is gone."""
    tracker = MemoryTracker()
    sweep, file = spooled(tracker, tmp_path)

    settle(tracker, tmp_path, uri="here")

    assert [run.status for run in tracker.known_runs()] == ["FINISHED"]
    assert tracker.runs[sweep].status == "FINISHED"
    assert not file.exists()


def test_what_is_not_for_this_sweep_to_send_is_left_alone(tmp_path) -> None:
    """Of another store, of a sweep that still runs, or of one that its store does not have."""
    tracker = MemoryTracker()
    _, elsewhere = spooled(tracker, tmp_path, uri="elsewhere")
    sweep, gone = spooled(tracker, tmp_path)
    tracker.delete_run(sweep)
    _, held = spooled(tracker, tmp_path)
    holder = Spool.open_left(held)

    settle(tracker, tmp_path, uri="here")

    assert tracker.known_runs() == []
    assert all(file.exists() for file in (elsewhere, gone, held))
    holder.close()


def test_what_another_process_sends_is_waited_for_under_the_lock(tmp_path, caplog) -> None:
    """Else it would be planned without it; that of other stores is none of this sweep's."""
    tracker = MemoryTracker()
    _, elsewhere = spooled(tracker, tmp_path, uri="elsewhere")
    _, held = spooled(tracker, tmp_path)
    holders = [Spool.open_left(file) for file in (elsewhere, held)]
    done = threading.Timer(0.5, holders[1].close)
    done.start()

    assert settle(tracker, tmp_path, uri="here")
    assert tracker.known_runs() == []
    assert settle(tracker, tmp_path, uri="here", is_alone=True)
    assert [run.status for run in tracker.known_runs()] == ["FINISHED"]
    assert not held.exists()
    (record,) = caplog.records[:1]
    assert f"waits for the process that has {held}" in record.message
    done.join()
    holders[0].close()

    assert not settle(tracker, tmp_path, uri="here", is_alone=True), "nothing is left"


def test_who_never_lets_go_is_not_waited_for_without_end(tmp_path, monkeypatch) -> None:
    """Nothing has been trained then."""
    monkeypatch.setattr("akid.tuning.settling._HELD_S", 0.3)
    tracker = MemoryTracker()
    _, file = spooled(tracker, tmp_path)
    holder = Spool.open_left(file)

    with pytest.raises(TrackingError, match="a process that still has it"):
        settle(tracker, tmp_path, uri="here", is_alone=True)
    holder.close()


def test_a_store_that_does_not_take_what_waits_is_an_error(tmp_path, monkeypatch) -> None:
    """Else what finished would be trained again."""
    monkeypatch.setattr("akid.tuning.settling._PATIENCE_S", 0.0)

    class FullTracker(MemoryTracker):
        def end_trial(self, *_: object) -> None:
            raise TrackingError("no space left.")

    tracker = FullTracker()
    _, file = spooled(tracker, tmp_path)

    with pytest.raises(TrackingError, match=r"got 1 events that it does not take: no space left\."):
        settle(tracker, tmp_path, uri="here")
    assert file.exists()


def test_artifacts_that_wait_hold_no_sweep_up(tmp_path, monkeypatch) -> None:
    """They are sent another time."""
    monkeypatch.setattr("akid.tuning.settling._PATIENCE_S", 0.0)

    class NarrowTracker(MemoryTracker):
        def log_files(self, *_: object, **__: object) -> None:
            raise TrackingError("no space left.")

    tracker = NarrowTracker()
    _, file = spooled(tracker, tmp_path)

    settle(tracker, tmp_path, uri="here")

    assert [run.status for run in tracker.known_runs()] == ["FINISHED"]
    assert len(Spool.open_left(file)) == 1


def test_another_store_than_the_sweeps_is_refused(tmp_path) -> None:
    """Its runs would have no parent."""
    _, file = spooled(MemoryTracker(), tmp_path)
    spool = Spool.open_left(file)

    with pytest.raises(TrackingError, match="expected a store that has run run0"):
        send(MemoryTracker(), spool)
    spool.close()


def test_a_refused_row_does_not_keep_a_run_open(tmp_path, dead, monkeypatch) -> None:
    """Each later sweep would have been refused by it."""

    def refuse(*_: object, **__: object) -> None:
        raise RefusedError("not such a name")

    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags=dead)
    tags = {**dead, FOLDER_TAG: practised(tmp_path, 0, finished=True)}
    run = tracker.runs[start(tracker, sweep, 0, tags)]
    monkeypatch.setattr(tracker, "log_rows", refuse)

    settle(tracker, tmp_path, uri="here")

    assert (run.status, run.summary["best/loss"]) == ("FINISHED", 1.0)


def test_a_run_whose_folder_can_not_be_read_stays_open(tmp_path, dead, caplog) -> None:
    """Of what its trial came to nothing is known; the others are closed."""
    (tmp_path / "0" / "rows.jsonl").mkdir(parents=True)
    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags=dead)
    runs = [start(tracker, sweep, n, {**dead, FOLDER_TAG: str(tmp_path / str(n))}) for n in (0, 1)]

    settle(tracker, tmp_path, uri="here")

    assert [tracker.runs[run_id].status for run_id in runs] == ["RUNNING", "KILLED"]
    assert "stays open: [Errno" in caplog.text
