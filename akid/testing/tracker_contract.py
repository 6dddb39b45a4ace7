"""The contract for trackers: inherit it in pytest, say how the tracker is made, and run.

>>> from akid.testing.memory_tracker import MemoryTracker
>>> class TestMemoryTracker(TrackerContract):
...     def make_tracker(self):
...         return MemoryTracker()
...     def history(self, tracker, run_id, name):
...         return [(row["step"], row[name]) for row in tracker.runs[run_id].rows]
>>> TestMemoryTracker().test_a_finished_trial_is_known()
"""

import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from akid.cluster.modules import Modules
from akid.cluster.resources import ResourceRequest
from akid.errors import RefusedError
from akid.tuning.plan import KnownRun
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import ERROR_TAG, FAILURE_TAG, Tracker, TrialEnd, TrialStart
from akid.tuning.tracking_writer import TrackingWriter
from akid.tuning.trial import Trial

_MANY_ROWS = 1500  # more than a store takes at once


class TrackerContract:
    """What akid asks of a tracker; each method is a test."""

    def make_tracker(self) -> Tracker:
        """Return a tracker whose store is empty."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_tracker().")

    def reopen(self, tracker: Tracker) -> Tracker:
        """Return another tracker of the same store; this one where nothing outlives a tracker."""
        return tracker

    def history(self, tracker: Tracker, run_id: str, name: str) -> list[tuple[float, float]]:
        """Return steps and values of a metric as the store has them."""
        raise NotImplementedError(f"{type(self).__name__} must implement history().")

    def test_a_new_store_knows_no_runs(self) -> None:
        """And a sweep alone is no trial."""
        tracker = self.make_tracker()
        assert list(tracker.known_runs()) == []
        _sweep(tracker)
        assert list(tracker.known_runs()) == []

    def test_a_finished_trial_is_known(self) -> None:
        """What identifies it, its status, and its best and test metrics come back."""
        tracker = self.make_tracker()
        trial = make_trial(3)
        run_id = _start(tracker, trial, parent_id=_sweep(tracker), tags={"note": "a"})
        tracker.log_rows(run_id, [{"step": 1, "time_s": 1.0, "val_loss": 0.5}])
        summary = {"best/val_loss": 0.25, "test/loss": 0.375, "duration_s": 2.0}
        tracker.end_trial(run_id, TrialEnd(status="FINISHED", summary=summary))
        (known,) = self.reopen(tracker).known_runs()
        got = known.key, known.cell_key, known.source_key, known.seed, known.run_id, known.status
        assert got == (
            *(trial.key, trial.cell_key, trial.source_key, trial.seed, run_id),
            "FINISHED",
        ), got
        assert _is_close(known.final, {"val_loss": 0.5}), known
        assert _is_close(known.best, {"val_loss": 0.25}), known
        assert _is_close(known.test, {"test_loss": 0.375}), known
        assert known.duration_s == 2.0, known

    def test_a_trial_that_is_not_closed_is_running(self) -> None:
        """So a sweep that was interrupted is not taken for a finished one."""
        tracker = self.make_tracker()
        _start(tracker, make_trial(0), parent_id=_sweep(tracker))
        assert [run.status for run in self.reopen(tracker).known_runs()] == ["RUNNING"]

    def test_what_is_open_is_told(self) -> None:
        """Sweeps and trials, with their tags; what is closed is open no more."""
        tracker = self.make_tracker()
        sweep = tracker.start_sweep("sweep", tags={"note": "a"})
        trial = _start(tracker, make_trial(0), parent_id=sweep, tags={"note": "b"})
        found = {run.run_id: run for run in self.reopen(tracker).open_runs()}
        assert set(found) == {sweep, trial}, found
        assert [found[i].is_trial for i in (sweep, trial)] == [False, True]
        assert [found[i].tags["note"] for i in (sweep, trial)] == ["a", "b"]
        tracker.end_trial(trial, TrialEnd(status="KILLED"))
        assert [run.run_id for run in tracker.open_runs()] == [sweep]
        assert tracker.closed_sweeps() == frozenset()
        tracker.end_sweep(sweep, status="KILLED", summary={}, ended_s=time.time())
        assert tracker.open_runs() == []
        assert tracker.closed_sweeps() == {sweep}

    def test_what_is_told_twice_is_there_once(self) -> None:
        """A call that seemed to fail is made again, and may have been carried out."""
        tracker = self.make_tracker()
        sweep = _sweep(tracker)
        start = TrialStart.of(make_trial(0), tags={})
        opened: str | None = None
        rows = [{"step": step, "time_s": 1.0, "loss": 1.0 / step} for step in (1, 2)]
        rows.append({"step": 3, "time_s": 2.0, "loss": math.nan})
        end = TrialEnd(status="FINISHED", summary={"best/loss": 0.5})
        for _ in range(2):
            opened = tracker.start_trial(start, parent_id=sweep, run_id=opened)
            tracker.log_rows(opened, rows[:2])
            tracker.set_tags(opened, {"akid.worker_host": "here"})
            tracker.log_files(opened, files={}, texts={"trial.py": "def setup(): ..."})
        again = self.reopen(tracker)  # what it remembers of the run may be gone
        for _ in range(2):
            again.log_rows(opened or "", rows)
            again.end_trial(opened or "", end)
        (known,) = again.known_runs()
        assert (known.run_id, known.status, known.best) == (opened, "FINISHED", {"loss": 0.5})
        history = self.history(again, known.run_id, "loss")
        assert [step for step, _ in history] == [1, 2, 3], history

    def test_a_trials_run_is_found_and_deleted(self) -> None:
        """By its sweep and its place in it, oldest first."""
        tracker = self.make_tracker()
        sweep, other = _sweep(tracker), _sweep(tracker)
        assert tracker.find_trials(sweep, 1) == []
        first, double = (_start(tracker, make_trial(1), parent_id=sweep) for _ in range(2))
        _start(tracker, make_trial(2), parent_id=sweep)
        _start(tracker, make_trial(1), parent_id=other)
        assert tracker.find_trials(sweep, 1) == [first, double]
        tracker.delete_run(double)
        assert tracker.find_trials(sweep, 1) == [first]
        assert [tracker.has_run(i) for i in (sweep, first, "0" * 32)] == [True, True, False]

    def test_how_a_trial_failed_comes_back(self) -> None:
        """FAILED, DIVERGED and KILLED stay apart, with the traceback."""
        tracker = self.make_tracker()
        sweep = _sweep(tracker)
        for index, status in enumerate(("FAILED", "DIVERGED", "KILLED")):
            run_id = _start(tracker, make_trial(index), parent_id=sweep)
            tags = {"akid.error": f"ValueError: {status}"}
            tracker.end_trial(run_id, TrialEnd(status=status, tags=tags))
        found = {run.key: (run.status, run.error) for run in self.reopen(tracker).known_runs()}
        assert found == {
            make_trial(index).key: (status, f"ValueError: {status}")
            for index, status in enumerate(("FAILED", "DIVERGED", "KILLED"))
        }, found

    def test_a_trial_can_run_again(self) -> None:
        """Both runs are known, under the same key, each with its own id."""
        tracker = self.make_tracker()
        sweep = _sweep(tracker)
        ids = {_start(tracker, make_trial(0), parent_id=sweep) for _ in range(2)}
        runs = tracker.known_runs()
        assert {run.run_id for run in runs} == ids
        assert {run.key for run in runs} == {make_trial(0).key}
        starts = [run.started_s for run in runs]
        assert starts == sorted(starts, reverse=True), f"expected newest first, got {starts}."

    def test_a_trial_goes_on_in_its_run(self) -> None:
        """After a break the same run is open again: each step once, no word of the break."""
        tracker = self.make_tracker()
        trial = make_trial(0)
        rows = [{"step": step, "time_s": 1.0, "loss": 1.0 / step} for step in range(1, 5)]
        run_id = _start(tracker, trial, parent_id=_sweep(tracker))
        tracker.log_rows(run_id, rows[:3])
        tags = {ERROR_TAG: "its process was lost", FAILURE_TAG: "lost"}
        tracker.end_trial(run_id, TrialEnd(status="FAILED", tags=tags))
        later = self.reopen(tracker)
        (failed,) = later.known_runs()
        assert (failed.error, failed.failure) == ("its process was lost", "lost"), failed
        sweep = _sweep(later)
        start = TrialStart.of(trial, tags={}, goes_on=run_id)
        assert later.start_trial(start, parent_id=sweep) == run_id
        assert [run.status for run in later.known_runs()] == ["RUNNING"]
        later.log_rows(run_id, [{**row, "time_s": 2.0} for row in rows])
        later.end_trial(run_id, TrialEnd(status="FINISHED"))
        (known,) = later.known_runs()
        assert (known.run_id, known.status) == (run_id, "FINISHED"), known
        assert (known.error, known.failure) == (None, ""), known
        later.start_trial(start, parent_id=sweep)  # told again, though it has ended
        assert later.known_runs() == [known]
        history = self.history(later, run_id, "loss")
        expected = [(row["step"], row["loss"]) for row in rows]
        assert history == expected, f"expected {expected}, got {history}."

    def test_takes_many_rows_and_numbers_that_are_none(self) -> None:
        """A long practice, and a loss that became NaN or infinite, are written."""
        tracker = self.make_tracker()
        run_id = _start(tracker, make_trial(0), parent_id=_sweep(tracker))
        rows: list[dict[str, float]] = [
            {"step": step, "time_s": step / 10, "loss": 1.0 / (step + 1)}
            for step in range(_MANY_ROWS)
        ]
        rows.append({"step": _MANY_ROWS, "time_s": 1e4, "loss": math.nan, "rate": math.inf})
        tracker.log_rows(run_id, rows)
        tracker.end_trial(run_id, TrialEnd(status="DIVERGED"))
        (known,) = tracker.known_runs()
        assert "loss" in known.final, known

    def test_takes_long_parameters_texts_and_missing_files(self) -> None:
        """What a trial leaves behind is kept where it is there, however long."""
        tracker = self.make_tracker()
        trial = make_trial(0, net_paras={"text": "x" * 20_000, "widths": list(range(100))})
        run_id = _start(tracker, trial, parent_id=_sweep(tracker))
        files = {"nowhere.txt": Path("no", "such", "file.txt")}
        tracker.log_files(run_id, files=files, texts={"trial.py": "def setup(): ..."})
        tracker.end_trial(run_id, TrialEnd(status="FINISHED"))
        assert [run.status for run in tracker.known_runs()] == ["FINISHED"]

    def test_an_unknown_run_is_refused(self) -> None:
        """Not an error of the store's own kind, which a sweep would not expect."""
        tracker = self.make_tracker()
        _sweep(tracker)
        row = {"step": 0, "time_s": 0.0, "loss": 1.0}
        try:
            tracker.log_rows("0" * 32, [row])
        except RefusedError:
            return
        raise AssertionError("expected a RefusedError for the id of no run, got none.")

    def test_works_behind_a_writer(self) -> None:
        """What a sweep tells its writer from other threads arrives in the store."""
        tracker = self.make_tracker()
        sweep = _sweep(tracker)
        with tempfile.TemporaryDirectory() as folder:
            head = SpoolHead(uri="", experiment="", sweep=sweep)
            writer = TrackingWriter(tracker, spool=Spool(Path(folder, "spool"), head))
            for index in range(2):
                writer.start_trial(make_trial(index), tags={})
                writer.log_rows(index, [{"step": 1, "time_s": 1.0, "loss": float(index)}])
                writer.end_trial(index, TrialEnd(status="FINISHED"))
            writer.end_sweep(status="FINISHED", summary={"finished": 2.0})
            faults = writer.close()
        assert faults == [], faults
        assert tracker.open_runs() == []
        known = {run.run_id: run for run in self.reopen(tracker).known_runs()}
        assert set(known) == set(writer.run_ids.values())
        assert [known[writer.run_ids[i]].final["loss"] for i in range(2)] == [0.0, 1.0]
        assert all(_is_finished(run) for run in known.values())


def make_trial(index: int, *, net_paras: Mapping[str, Any] | None = None) -> Trial:
    """Return a trial that is never run, for telling a tracker about it."""
    return Trial(
        index=index,
        repeat=0,
        opt_index=index,
        net_index=0,
        net_paras=dict(net_paras or {"width": 8}),
        opt_paras={"lr": 0.1},
        seed=7 + index,
        source="def setup(): ...",
        modules=Modules(folder="."),
        source_key=f"{index:020x}",
        key=f"{index + 256:020x}",
        cell_key=f"{index + 512:020x}",
        request=ResourceRequest(),
        label=f"opt.lr=0.1 [{index}]",
        slug=f"{index}-trial",
    )


def _sweep(tracker: Tracker) -> str:
    return tracker.start_sweep("sweep", tags={"note": "b"})


def _start(
    tracker: Tracker,
    trial: Trial,
    *,
    parent_id: str,
    tags: Mapping[str, str] | None = None,
) -> str:
    start = TrialStart.of(trial, tags=tags or {})
    return tracker.start_trial(start, parent_id=parent_id)


def _is_close(got: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    return got.keys() == expected.keys() and all(
        math.isclose(got[name], expected[name]) for name in expected
    )


def _is_finished(run: KnownRun) -> bool:
    return run.status == "FINISHED"
