"""Stores that go away in the middle of a sweep: training goes on, and each number arrives once."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from akid.testing.tracker_contract import make_trial
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.rows import RowFile
from akid.tuning.settling import settle
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import TrialEnd
from akid.tuning.tracking_writer import TrackingWriter

_START_WITHIN_S = 90.0
EPOCHS = 4
TRIALS = 4

# Each trial takes two seconds and says when it ended, by its own clock.
SLOW = """
from pathlib import Path
import time

number = {{ opt_paras["number"] }}
kid.hooks.on_epoch_end.append(lambda kid: time.sleep(0.5))
kid.hooks.on_train_end.append(lambda kid: Path(FOLDER, f"ended{number}").touch())
"""


class Server:
    """An MLflow server in a process of its own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        store = f"sqlite:///{self._folder / 'server.db'}"
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, *place],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        deadline_s = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
                return
            time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())

    def kill(self) -> None:
        """End it and its workers at once."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that answers."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def slow_experiment(place) -> Path:
    """Write an experiment of four trials that take two seconds each, on two CPUs."""
    cells = [{"number": number} for number in range(TRIALS)]
    after = SLOW.replace("FOLDER", repr(str(place.folder)))
    file = place.empty(f"opt_paras_list = {cells}", after=after)
    epochs = f"max_epoch={EPOCHS}, log_by_epoch=True, save_chk_point=False"
    file.write_text(file.read_text().replace("max_epoch=1, save_chk_point=False", epochs))
    return file


def wait_for(folder: Path, count: int) -> None:
    """Wait until so many trials have ended, whatever the store knows."""
    deadline_s = time.monotonic() + 120
    while len(list(folder.glob("ended*"))) < count:
        assert time.monotonic() < deadline_s, f"fewer than {count} trials ended in two minutes"
        time.sleep(0.05)


def check_complete(place) -> None:
    """Each trial is there once, with all steps of its metrics, its results and its artifacts."""
    client = MlflowClient(tracking_uri=place.uri)
    runs = place.runs()
    assert [run.data.tags["akid.index"] for run in runs] == [str(n) for n in range(TRIALS)]
    for run in runs:
        assert (run.info.status, run.data.tags["akid.status"]) == ("FINISHED", "FINISHED")
        assert "best/val_loss" in run.data.metrics
        assert run.data.tags["akid.worker_host"] == socket.gethostname()
        left = RowFile(Path(run.data.tags["akid.folder"]), run.data.tags["akid.key"]).left()
        history = client.get_metric_history(run.info.run_id, "val_loss")
        rows = [(row["step"], row["val_loss"]) for row in left.rows if "val_loss" in row]
        assert [(point.step, point.value) for point in history] == rows
        assert len(rows) >= EPOCHS
        assert run.info.start_time < history[0].timestamp
        names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"trial.py", "training.log"} <= names
    (sweep,) = place.runs(kind="sweep")
    assert sweep.info.status == "FINISHED"
    assert not list((place.folder / "akid_runs").glob("*/.unsent/*"))


def test_a_server_that_is_killed_in_the_middle(place, server, cluster, caplog) -> None:
    """Two trials end and two begin while it is away."""
    place.uri = server.uri
    file = slow_experiment(place)

    def disturb() -> None:
        while not list((place.folder / "akid_runs").glob("*/*/rows.jsonl")):
            time.sleep(0.05)
        server.kill()
        wait_for(place.folder, 3)
        server.start()

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    ran = place.sweep(file)
    disturbing.join()
    if "events wait in" in caplog.text:  # the server took longer to start than the sweep waits
        assert place.command("sync", place.folder / "akid_runs").code == 0

    assert ran.code == 0
    assert "not tracked yet, it waits in" in caplog.text
    check_complete(place)


@pytest.fixture
def tracker(place) -> MlflowTracker:
    """Return a tracker of a SQLite file."""
    return MlflowTracker(place.uri, "experiment_file")


def tell(place, tracker: MlflowTracker, pause_s: float) -> TrackingWriter:
    """Tell a writer what four trials tell it, one step after the other."""
    sweep = tracker.start_sweep("sweep", tags={})
    head = SpoolHead(uri=place.uri, experiment="experiment_file", sweep=sweep)
    writer = TrackingWriter(tracker, spool=Spool(head.file(place.folder), head), patience_s=0.0)
    for index in range(TRIALS):
        writer.start_trial(make_trial(index), tags={})
        for step in range(1, EPOCHS + 1):
            writer.log_rows(index, [{"step": step, "time_s": time.time(), "val_loss": 1 / step}])
            time.sleep(pause_s)
        writer.log_files(index, texts={"trial.py": "program"})
        writer.end_trial(index, TrialEnd(status="FINISHED", summary={"best/val_loss": 0.25}))
    writer.end_sweep(status="FINISHED", summary={})
    return writer


def check_told(place) -> None:
    """Each trial is there once, with all that was told of it."""
    client = MlflowClient(tracking_uri=place.uri)
    runs = place.runs()
    assert [run.data.tags["akid.index"] for run in runs] == [str(n) for n in range(TRIALS)]
    for run in runs:
        history = client.get_metric_history(run.info.run_id, "val_loss")
        assert [point.step for point in history] == list(range(1, EPOCHS + 1))
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["trial.py"]
        assert (run.info.status, run.data.metrics["best/val_loss"]) == ("FINISHED", 0.25)
    (sweep,) = place.runs(kind="sweep")
    assert sweep.info.status == "FINISHED"
    assert not (place.folder / ".unsent").exists()


def test_a_sqlite_file_that_is_locked_longer_than_the_timeout(place, tracker) -> None:
    """What waits then is sent before the next sweep plans; nobody who trains has waited."""
    file = place.folder / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file, check_same_thread=False)) as store:
        locking = threading.Timer(0.5, store.execute, ["BEGIN EXCLUSIVE"])
        locking.start()
        began_s = time.monotonic()
        writer = tell(place, tracker, pause_s=0.1)
        told_s = time.monotonic() - began_s
        (missing,) = writer.close()
    assert told_s < 10.0  # MLflow waits 20 s for a lock
    assert "events wait in" in missing

    settle(tracker, place.folder, uri=place.uri)

    check_told(place)


def test_an_artifact_store_that_refuses(place, tracker) -> None:
    """All numbers are there when the sweep ends; the artifacts come when there is a place again."""
    wrong = place.folder / "mlruns"
    wrong.write_text("a file in the place of the folder")

    (missing,) = tell(place, tracker, pause_s=0.0).close()

    assert missing.startswith(f"{TRIALS} events wait in")
    assert [run.info.status for run in place.runs()] == ["FINISHED"] * TRIALS
    settle(tracker, place.folder, uri=place.uri)  # holds no sweep up
    wrong.unlink()
    assert place.command("sync", place.folder).code == 0
    check_told(place)
