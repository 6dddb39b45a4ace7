"""Sweeps as processes of their own, which can be killed, and what they leave."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MARK = "AKID_CHAOS"
NAME = "chaos"
LAST = ("checkpoint-40.pt", "best.pt")
SEED = int(os.environ.get("AKID_CHAOS_SEED", "0"))
TIMED = {"samples_per_s", "duration_s"}

EXPERIMENT = """
gpu_num_per_instance = 0
net_paras_list = [{"width": 4}, {"width": 6}]
opt_paras_list = [{"lr": 0.05}, {"lr": 0.1}, {"lr": 0.2}]
repeat_times = 4


def setup():
    import time

    from akid import Brain, DigitsFeedSource, DropoutLayer, FeedSensor, InnerProductLayer, Kid
    from akid import MomentumKongFu, SoftmaxWithLossLayer

    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num={{ net_paras["width"] }}, name="ip1"))
    brain.attach(DropoutLayer(keep_prob=0.9, name="drop"))
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip2"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{"name": "ip2", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        )
    )
    source = DigitsFeedSource(name="Source", scale=True)
    kid = Kid(
        FeedSensor(source_in=source, batch_size=20, name="Sensor"),
        brain,
        MomentumKongFu(lr={{ opt_paras["lr"] }}),
        max_steps=40,
        val_log_step=5,
        train_log_step=2,
    )
    kid.hooks.on_batch_begin.append(lambda _: time.sleep(0.01))
    return kid
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take no offence at what packages that akid uses do to each other."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for package in ("mlflow", "sqlalchemy"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}"))


def wait_until(is_so: Callable[[], bool], what: str, *, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"expected within {within_s} s that {what}"
        time.sleep(0.05)


class Storm:
    """A folder in which sweeps run as processes, all of them found again by a mark."""

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        self.folder = folder
        self.uri = uri or f"sqlite:///{folder / 'mlflow.db'}"
        self.random = random.Random(SEED)
        # Sockets lie in it, which have to have short names.
        self.temporary = Path(tempfile.mkdtemp(prefix="akid-", dir="/tmp"))
        self._segments = segments()
        self._mark = f"{MARK}={folder}"
        self._environment = {MARK: str(folder), "TMPDIR": str(self.temporary)}
        self._starts = 0
        self._driver: subprocess.Popen | None = None
        (folder / "experiment.py").write_text(EXPERIMENT, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start the command in a session of its own."""
        self._starts += 1
        out, err = (self.folder / f"{name}{self._starts}.txt" for name in ("out", "err"))
        with out.open("w") as out_file, err.open("w") as err_file:
            self._driver = subprocess.Popen(
                [
                    *(sys.executable, "-m", "akid.sweep", "experiment.py", "--num-cpus", "2"),
                    *("--name", NAME, "--tracking-uri", self.uri, *arguments),
                ],
                cwd=self.folder,
                env={**os.environ, **self._environment},
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        return self._driver

    def ends_well(self) -> None:
        """Wait for the command that was started last."""
        assert self._driver is not None
        assert self._driver.wait(timeout=240) == 0, self.said()

    def said(self, start: int | None = None) -> str:
        """Return what a command printed to standard error; the last one unless its number says."""
        return (self.folder / f"err{start or self._starts}.txt").read_text()

    def processes(self) -> dict[int, str]:
        """Return the command lines of all living processes that stem from this folder's sweeps."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._mark.encode() in (place / "environ").read_bytes():
                    found[int(place.name)] = (
                        (place / "cmdline").read_bytes().decode(errors="replace")
                    )
        return found

    def kill(self, kind: str) -> int:
        """Kill -9 one or all processes of a kind; return how many."""
        chosen = sorted(pid for pid, line in self.processes().items() if kind in line or not kind)
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(chosen)

    def kill_a_worker(self) -> None:
        """Kill -9 one of the processes that practise trials."""
        found = self.processes().items()
        workers = [p for p, line in found if line.startswith("ray::") and "Agent" not in line]
        for pid in workers and [self.random.choice(sorted(workers))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def n_finished(self) -> int:
        """Return how many trials have come to their end, as their folders say."""
        files = self.folder.glob("*/chaos/*/rows.jsonl")
        return sum('"result"' in file.read_text() for file in files)

    def weights(self) -> dict[str, str]:
        """Return the SHA-256 of all tensors of each trial's last and best checkpoint."""
        files = sorted(self.folder.glob("*/chaos/*/model/*.pt"))
        files = [file for file in files if file.name in LAST and "~" not in str(file)]
        return {f"{file.parts[-3]}/{file.name}": _sha256(file) for file in files}

    def runs(self) -> dict[str, list]:
        """Return the trials' runs in MLflow by their key."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name(NAME)
        found: dict[str, list] = {}
        for run in client.search_runs([experiment.experiment_id], "tags.`akid.kind` = 'trial'"):
            found.setdefault(run.data.tags["akid.key"], []).append(run)
        return found

    def histories(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        """Return steps and values of each metric of each finished trial, as they were logged."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.uri)
        return {
            key: {
                name: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
                if name not in TIMED
            }
            for key, runs in self.runs().items()
            for run in runs
            if run.info.status == "FINISHED"
        }

    def litter(self) -> list[str]:
        """Return what the sweeps left: temporary and unfinished files, shared memory."""
        hidden = [path.name for path in self.folder.glob("akid_runs/**/.*")]
        # Ray keeps its logs, torch what it compiled.
        kept = ("ray", "torchinductor")
        temporary = [p.name for p in self.temporary.iterdir() if not p.name.startswith(kept)]
        return [*hidden, *temporary, *(segments() - self._segments - used_segments())]

    def end(self) -> None:
        """Kill what is left."""
        self.kill("")
        shutil.rmtree(self.temporary, ignore_errors=True)


def segments() -> set[str]:
    """Return the names of the shared memory on this machine."""
    return {path.name for path in Path("/dev/shm").iterdir()}


def used_segments() -> set[str]:
    """Return that which living processes have mapped: that of other programs."""
    used = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            used |= {line.rpartition("/dev/shm/")[2] for line in maps.read_text().splitlines()}
    return used


def _sha256(file: Path) -> str:
    import torch

    from akid.training import checkpoint

    whole = hashlib.sha256()
    for name, value in sorted(checkpoint.read(file).items()):
        if isinstance(value, torch.Tensor):
            whole.update(name.encode() + value.contiguous().numpy().tobytes())
    return whole.hexdigest()


class Server:
    """A real tracking server that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        with (self._folder / "server.txt").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                    *("--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self._answers, "the tracking server answers", within_s=90)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
            return True
        return False

    def stop(self) -> None:
        """End it and its workers."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    """Return a folder for sweeps that are killed; print the seed, which AKID_CHAOS_SEED sets."""
    sys.stdout.write(f"AKID_CHAOS_SEED={SEED}\n")
    place = Storm(tmp_path)
    yield place
    place.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a tracking server that runs."""
    place = Server(tmp_path)
    place.start()
    place.wait()
    yield place
    place.stop()


@pytest.fixture
def server_storm(server: Server, tmp_path: Path) -> Iterator[Storm]:
    """Return a folder for sweeps that are killed, whose store is a server."""
    (folder := tmp_path / "storm").mkdir()
    sys.stdout.write(f"AKID_CHAOS_SEED={SEED}\n")
    place = Storm(folder, server.uri)
    yield place
    place.end()


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """Return the folder of an undisturbed sweep, which goes on while the first storm rages."""
    place = Storm(tmp_path_factory.mktemp("calm"))
    place.start()
    yield place
    place.end()


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    """Return the function that waits until something is so."""
    return wait_until
