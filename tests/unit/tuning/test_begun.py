"""Starts of trials, kept until their runs are open; the driver dies by a real kill -9."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import make_trial
from akid.tuning import begun, provenance
from akid.tuning.rows import RowFile
from akid.tuning.settling import settle, unsettled
from akid.tuning.spool import Spool, SpoolHead, left_below
from akid.tuning.tracking import FOLDER_TAG, TrialEnd, TrialStart
from akid.tuning.tracking_events import Started
from akid.tuning.tracking_writer import TrackingWriter

HEAD = SpoolHead(uri="here", experiment="test", sweep="run0")
RESULT = {"final": {"loss": 2.0}, "best": {"loss": 1.0}, "test": {}, "duration_s": 4.0}


class BlockedTracker(MemoryTracker):
    """Opens no trial's run, and says nothing, either."""

    def start_trial(self, *_: object, **__: object) -> str:
        threading.Event().wait()
        return ""


def sweep_and_die(where: str) -> None:
    """Carry out a sweep of two trials up to the end of the first, and be killed."""
    folder = Path(where)
    tracker = BlockedTracker()
    writer = TrackingWriter(tracker, spool=Spool(HEAD.file(folder), HEAD))
    for index in range(2):
        place = folder / str(index)
        writer.start_trial(
            make_trial(index), tags={**provenance.tags(None), FOLDER_TAG: str(place)}
        )
        rows = RowFile(place, make_trial(index).key)
        rows.begin()
        rows.add({"step": 1, "time_s": 10.0, "loss": 2.0})
        if index == 0:
            rows.end(RESULT)
            writer.end_trial(index, TrialEnd(status="FINISHED"))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def killed(tmp_path):
    """Return the folder of a sweep that was killed before any trial's run was open."""
    code = "import pathlib, runpy, sys; runpy.run_path(sys.argv[1])['sweep_and_die'](sys.argv[2])"
    done = subprocess.run([sys.executable, "-c", code, __file__, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    return tmp_path


def test_a_trial_that_finished_before_its_run_was_open_stays_finished(killed) -> None:
    """Its run is opened by the next sweep, and closed as what its folder says; once."""
    tracker = MemoryTracker()
    sweep = tracker.start_sweep("sweep", tags={})
    assert sweep == HEAD.sweep
    assert unsettled(killed, uri="here") == 2
    assert unsettled(killed, uri="elsewhere") == 0

    for _ in range(2):
        settle(tracker, killed, uri="here")

    known = {run.key: run for run in tracker.known_runs()}
    finished, broken_off = (known[make_trial(index).key] for index in range(2))
    assert (finished.status, finished.best) == ("FINISHED", {"loss": 1.0})
    assert (broken_off.status, broken_off.folder) == ("KILLED", str(killed / "1"))
    assert len(tracker.runs) == 3
    assert not left_below(killed)
    assert unsettled(killed, uri="here") == 0


def test_nothing_is_left_once_the_store_or_the_spool_has_it(tmp_path, monkeypatch) -> None:
    """Also where the file was written anew on the way."""
    monkeypatch.setattr(begun, "_MAX_BYTES", 1000)
    spool = Spool(HEAD.file(tmp_path), HEAD)
    starts = [Started(start=TrialStart.of(make_trial(n), tags={})) for n in range(40)]
    kept = begun.Begun(spool)
    for start in starts:
        kept.add(start)
        (file,) = left_below(tmp_path)
        assert Spool.open_left(file) is None  # its sweep has it
        if start.index > 1:
            kept.remove(start)
    assert file.stat().st_size < 10_000
    kept.close()

    left = Spool.open_left(file)
    assert [left.read(number) for number in left.waiting()] == starts[:2]
    left.close()
