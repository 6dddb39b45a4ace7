"""The writer: one thread tells the tracker everything, in order, and training never waits."""

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from akid.errors import TrackingError
from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import make_trial
from akid.tuning import delivery, tracking_writer
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import Metrics, TrialEnd
from akid.tuning.tracking_writer import TrackingWriter


class SulkyTracker(MemoryTracker):
    """Does not take rows as long as `is_down`; counts how often it was asked."""

    is_down = True
    asked = 0

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        self.asked += 1
        if self.is_down:
            raise TrackingError("no answer")
        super().log_rows(run_id, rows)


def make_writer(tracker: MemoryTracker, folder: Path, patience_s: float = 0.0) -> TrackingWriter:
    sweep = tracker.start_sweep("sweep", tags={})
    head = SpoolHead(uri="", experiment="test", sweep=sweep)
    return TrackingWriter(tracker, spool=Spool(head.file(folder), head), patience_s=patience_s)


def test_neighbouring_rows_of_a_trial_become_one_batch(tmp_path) -> None:
    """What happens in between to another trial does not come between them."""
    tracker = SulkyTracker()
    tracker.is_down = False
    writer = make_writer(tracker, tmp_path)
    for index in (0, 1):
        writer.start_trial(make_trial(index), tags={})
    for step in range(3):
        for index in (0, 1):
            writer.log_rows(index, [{"step": step, "time_s": 0.0}])
    for index in (0, 1):
        writer.end_trial(index, TrialEnd(status="FINISHED"))

    assert writer.close() == []
    assert tracker.asked == 2
    for index in (0, 1):
        run = tracker.runs[writer.run_ids[index]]
        assert ([row["step"] for row in run.rows], run.status) == ([0, 1, 2], "FINISHED")


def test_what_the_store_does_not_take_is_tried_again_before_the_end(tmp_path, monkeypatch) -> None:
    """For as long as there is patience."""
    monkeypatch.setattr(delivery, "_FIRST_PAUSE_S", 0.01)
    tracker = SulkyTracker()
    writer = make_writer(tracker, tmp_path, patience_s=20.0)
    writer.start_trial(make_trial(0), tags={})
    writer.log_rows(0, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    threading.Timer(0.1, lambda: setattr(tracker, "is_down", False)).start()

    assert writer.close() == []
    assert tracker.asked > 1
    assert len(tracker.runs[writer.run_ids[0]].rows) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_still_waits_is_told_at_the_end(tmp_path) -> None:
    """With the file and the command that sends it."""
    writer = make_writer(SulkyTracker(), tmp_path)
    writer.start_trial(make_trial(0), tags={})
    writer.log_rows(0, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    writer.end_trial(0, TrialEnd(status="FINISHED"))

    (told,) = writer.close()
    assert told.startswith(f"2 events wait in {tmp_path / '.unsent' / 'run0.jsonl'}")
    assert told.endswith(f"akid.sweep sync {tmp_path}")


def test_ctrl_c_ends_the_patience(tmp_path) -> None:
    """What waits is on disk then."""
    writer = make_writer(SulkyTracker(), tmp_path, patience_s=60.0)
    writer.start_trial(make_trial(0), tags={})
    writer.log_rows(0, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    main = threading.main_thread().ident
    interrupt = threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT])
    interrupt.start()
    began_s = time.monotonic()

    (told,) = writer.close()

    assert "1 events wait" in told
    assert time.monotonic() - began_s < 20
    interrupt.join()


class SlowTracker(MemoryTracker):
    """Takes its time for each row."""

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        time.sleep(0.3)
        super().log_rows(run_id, rows)


def slowly(folder: Path, trials: int = 40) -> TrackingWriter:
    """Return a writer that has twelve seconds of work."""
    writer = make_writer(SlowTracker(), folder, patience_s=60.0)
    for index in range(trials):
        writer.start_trial(make_trial(index), tags={})
        writer.log_rows(index, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    return writer


def test_a_signal_that_is_counted_is_heeded_between_two_events(tmp_path) -> None:
    """Where a Ctrl-C raises nothing; what came before the end does not count."""
    writer = slowly(tmp_path)
    times = [1]
    signals = threading.Timer(0.5, times.append, [2])
    signals.start()
    began_s = time.monotonic()

    (told,) = writer.close(wishes=lambda: times[-1])

    assert time.monotonic() - began_s < 6
    assert "the next sweep sends them" in told
    signals.join()


def test_the_second_interrupt_does_not_wait_for_the_store(tmp_path) -> None:
    """It may never answer; the next sweep finds out."""
    answer = threading.Event()

    class HangingTracker(MemoryTracker):
        def log_rows(self, *_: object) -> None:
            answer.wait()

    writer = make_writer(HangingTracker(), tmp_path)
    writer.start_trial(make_trial(0), tags={})
    writer.log_rows(0, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    main = threading.main_thread().ident
    signals = [threading.Timer(s, signal.pthread_kill, [main, signal.SIGINT]) for s in (0.2, 0.6)]
    for timer in signals:
        timer.start()

    with pytest.raises(KeyboardInterrupt):
        writer.close()

    answer.set()
    writer.close()


def test_an_end_that_takes_long_is_explained(tmp_path, monkeypatch, caplog) -> None:
    """Once, with what one can do."""
    monkeypatch.setattr(tracking_writer, "_SAY_S", 0.2)

    assert slowly(tmp_path, trials=3).close() == []

    (record,) = caplog.records
    assert "Ctrl-C leaves the rest on disk" in record.message


def test_an_error_of_akids_own_is_not_swallowed(tmp_path) -> None:
    """It is told at the end, and what comes after it is written."""

    class BrokenTracker(MemoryTracker):
        def log_rows(self, *_: object) -> None:
            raise ZeroDivisionError

    tracker = BrokenTracker()
    writer = make_writer(tracker, tmp_path)
    writer.start_trial(make_trial(0), tags={})
    writer.log_rows(0, [{"step": 1, "time_s": 0.0, "loss": 1.0}])
    writer.end_trial(0, TrialEnd(status="FINISHED"))

    assert "ZeroDivisionError" in writer.close()[0]
    assert [run.status for run in tracker.known_runs()] == ["FINISHED"]
