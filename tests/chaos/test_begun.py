"""A sweep is killed while trials have finished whose runs the store could not open yet."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def locked(storm) -> Iterator[None]:
    """Let nobody write to the store."""
    other = sqlite3.connect(storm.folder / "mlflow.db", isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def begun(storm) -> set[str]:
    return {path.parent.name for path in storm.folder.glob("*/chaos/*/trial.py")}


def kill(driver: subprocess.Popen) -> None:
    """Kill -9 a sweep and its cluster, which are a session of their own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            session = int(stat.read_text().rpartition(")")[2].split()[3])
            if session == driver.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
    driver.wait(timeout=60)


def finished(storm) -> set[str]:
    files = storm.folder.glob("*/chaos/*/rows.jsonl")
    return {file.parent.name for file in files if '"result"' in file.read_text()}


@pytest.mark.timeout(600)
def test_trials_without_a_run_stay_finished(storm, wait_until) -> None:
    """The same command opens their runs with all that they recorded, and trains what is missing."""
    driver = storm.start()
    wait_until(lambda: begun(storm), "a trial has begun", within_s=120)
    with locked(storm):
        n_opened = len(storm.runs())
        wait_until(lambda: len(finished(storm)) >= n_opened + 5, "trials finish", within_s=120)
        storm.kill("")
        driver.wait(timeout=60)
    done = finished(storm)
    assert len(storm.runs()) == n_opened
    left = {path: path.stat().st_mtime_ns for path in storm.folder.glob("*/chaos/*/model/*")}

    assert storm.start("--dry-run").wait(timeout=120) == 0
    assert "the tracking store does not have" in storm.said()
    assert storm.start("--json").wait(timeout=240) == 0, storm.said()

    trials = json.loads((storm.folder / "out3.txt").read_text())["trials"]
    assert sum(trial["reused"] for trial in trials) == len(done)
    runs = storm.runs()
    assert len(runs) == len(trials) == 24
    assert all([run.info.status for run in found] == ["FINISHED"] for found in runs.values())
    for path, changed_ns in left.items():
        if path.parts[-3] in done:
            assert path.stat().st_mtime_ns == changed_ns, f"{path} was written again"
    wait_until(lambda: not storm.processes(), "no process is left", within_s=60)
    wait_until(lambda: not storm.litter(), "nothing is left", within_s=15)


@pytest.mark.timeout(600)
def test_a_sweep_that_waited_knows_what_the_dead_one_could_not_tell(storm, wait_until) -> None:
    """In the same folder it trains nothing again, and nothing is there twice after a third one."""
    first = storm.start()
    wait_until(lambda: begun(storm), "a trial has begun", within_s=120)
    second = storm.start("--json")
    wait_until(lambda: "waits for the sweep" in storm.said(), "it waits", within_s=120)
    with locked(storm):
        before = len(finished(storm))
        wait_until(lambda: len(finished(storm)) >= before + 3, "trials finish", within_s=60)
        kill(first)
    done = finished(storm)

    assert second.wait(timeout=240) == 0, storm.said(2)
    assert storm.start().wait(timeout=240) == 0, storm.said()

    trials = json.loads((storm.folder / "out2.txt").read_text())["trials"]
    assert sum(trial["reused"] for trial in trials) == len(done)
    runs = storm.runs()
    assert len(runs) == 24
    assert all([run.info.status for run in found] == ["FINISHED"] for found in runs.values())
