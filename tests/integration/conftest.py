"""One Ray cluster for all tests of this folder, and folders in which sweeps are tried out."""

import contextlib
import io
import logging
import os
import select
import shutil
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_ENDED_WITHIN_S = 15.0

EMPTY = """
def setup():
    import numpy as np

    from akid import Brain, FeedSensor, InnerProductLayer, Kid, MomentumKongFu, SoftmaxWithLossLayer
    from akid.sensing.source import InMemoryFeedSource, SupervisedSource

    class Blobs(SupervisedSource, InMemoryFeedSource):
        def _load(self):
            labels = np.arange(30) % 3
            images = np.zeros((30, 2, 2, 1), np.uint8)
            images[np.arange(30), labels // 2, labels % 2, 0] = 255
            return {"train": (images, labels)}

    BODY
    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=3, name="ip1"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=3,
            inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        )
    )
    source = Blobs(name="Source", scale=True, num_train=20, num_val=10)
    sensor = FeedSensor(source_in=source, batch_size=10, name="Sensor")
    kid = Kid(sensor, brain, MomentumKongFu(lr=LR), max_epoch=1, save_chk_point=False)
    AFTER
    return kid
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take no offence at what packages that akid uses do to each other."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for package in ("alembic", "mlflow", "sqlalchemy", "ray"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}"))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


class Place:
    """A folder with a tracking store of its own, in which experiments are written and swept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"

    def write(self, text: str, name: str = "experiment_file.py") -> Path:
        """Write an experiment file."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def empty(
        self, settings: str = "", *, body: str = "", after: str = "", lr: str = "0.1"
    ) -> Path:
        """Write an experiment whose trials take next to no time.

        `body` stands at the begin of its `setup`, `after` where there is a kid.
        """
        text = EMPTY.replace("BODY", _indented(body)).replace("AFTER", _indented(after))
        return self.write(f"gpu_num_per_instance = 0\n{settings}\n{text.replace('LR', lr)}")

    def sweep(self, *arguments: object) -> Ran:
        """Run the command line in this process, on the tests' cluster."""
        return self.command(*arguments, "--work-dir", self.folder / "akid_runs")

    def command(self, *arguments: object) -> Ran:
        """Run a command of `akid.sweep` in this process, on the folder's store."""
        from akid.sweep import main

        out, err = io.StringIO(), io.StringIO()
        places = ["--tracking-uri", self.uri]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*(str(argument) for argument in arguments), *places])
        sys.stdout.write(out.getvalue())  # pytest shows it when a test fails
        sys.stderr.write(err.getvalue())
        return Ran(code=code, out=out.getvalue(), err=err.getvalue())

    def runs(self, experiment: str = "experiment_file", kind: str = "trial") -> list:
        """Return the MLflow runs, in the order of their index."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.uri)
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs(
            [found.experiment_id], filter_string=f"tags.`akid.kind` = '{kind}'"
        )
        return sorted(runs, key=lambda run: int(run.data.tags.get("akid.index", 0)))

    def artifacts(self, run_id: str) -> Path:
        """Return the folder of a run's artifacts."""
        from mlflow import MlflowClient

        return Path(MlflowClient(tracking_uri=self.uri).download_artifacts(run_id, ""))


def _indented(code: str) -> str:
    return "\n    ".join(code.strip("\n").splitlines()) or "pass"


@pytest.fixture
def bare_place(tmp_path: Path) -> Place:
    """Return a folder for sweeps in which there is nothing."""
    return Place(tmp_path)


@pytest.fixture
def place(bare_place: Place, empty_store: Path) -> Place:
    """Return a folder for sweeps in which there is an empty store."""
    shutil.copy(empty_store, bare_place.folder)
    return bare_place


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Place:
    """Return a folder for sweeps that a whole file looks at, in which there is an empty store."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(empty_store, folder)
    return Place(folder)


class _Gate(socketserver.ThreadingTCPServer):
    """Passes connections on to the server, unless a file says that it is out of reach."""

    daemon_threads = True

    def __init__(self, port: int, away: Path) -> None:
        self.onward, self.away = ("127.0.0.1", port), away
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        if self.server.away.exists():
            return
        with socket.create_connection(self.server.onward) as server:
            back = threading.Thread(target=self.copy, args=(server, self.request), daemon=True)
            back.start()
            self.copy(self.request, server)
            back.join()

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the other direction has ended
            while not self.server.away.exists():
                if not select.select([source], [], [], 0.1)[0]:
                    continue
                if not (data := source.recv(65536)):
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _gate(port: int, away: Path) -> Iterator[int]:
    """Open a gate to a port of this machine, and give its own port."""
    gate = _Gate(port, away)
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    try:
        yield gate.server_address[1]
    finally:
        gate.shutdown()
        gate.server_close()


@pytest.fixture(scope="session")
def gate() -> Callable[[int, Path], contextlib.AbstractContextManager[int]]:
    """Return how a gate to a port is opened; while the file is there, it lets nothing through."""
    return _gate


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start two CPUs and two logical GPUs, as `akid.sweep` would; it ends without leaving anything.

    Sweeps in this process use it. On a machine without GPUs the logical ones only count. Another
    cluster seems to be on this machine: the port that an agent of the dashboard has by default is
    taken.
    """
    from akid.cluster import connection

    before = _descendants()
    # Jobs say `python`, as one does in an active environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # What an S3 server of a test is spoken to with, which takes any, and where trials work then.
    os.environ |= {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
    os.environ["AKID_SCRATCH"] = str(tmp_path_factory.mktemp("scratch"))
    temporary = tmp_path_factory.mktemp("temporary")
    with _folder_of_its_own():
        with (
            _taken(port=52365),
            connection.connect(metadata={"akid.experiment": "tests"}, num_cpus=2, num_gpus=2),
        ):
            _let_jobs_find_it()
            kept, tempfile.tempdir = tempfile.tempdir, str(temporary)
            yield
            tempfile.tempdir = kept
            _wait_until(lambda: not _living_actors(), "no actor is left")
            _wait_until(lambda: not _placement_groups(), "no placement group is left")
        _wait_until(lambda: not _descendants() - before, "no process is left")
    assert not list(temporary.iterdir()), "no temporary file is left"


@contextlib.contextmanager
def _folder_of_its_own() -> Iterator[None]:
    """Let Ray keep what it writes apart from that of other clusters on this machine."""
    with (
        tempfile.TemporaryDirectory(prefix="akid-", dir="/tmp") as folder,  # sockets: a short path
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_TMPDIR", folder)
        yield


def _let_jobs_find_it() -> None:
    """Note the cluster's address as `ray start` does.

    Without that Ray gives a job the address of any cluster that it sees on this machine.
    """
    import ray
    from ray._private import utils

    utils.write_ray_address(ray.get_runtime_context().gcs_address)


@contextlib.contextmanager
def _taken(port: int) -> Iterator[None]:
    with socket.socket() as listener:
        with contextlib.suppress(OSError):  # it is taken already
            listener.bind(("", port))
            listener.listen()
        yield


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _ENDED_WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline_s, f"expected that {what}"
        time.sleep(0.1)


def _living_actors() -> list:
    import ray
    from ray.util.state import list_actors

    here = ray.get_runtime_context().gcs_address  # there may be other clusters on this machine
    return [actor for actor in list_actors(address=here) if actor.state != "DEAD"]


def _placement_groups() -> list:
    from ray.util import placement_group_table

    return [group for group in placement_group_table().values() if group["state"] != "REMOVED"]


def _descendants() -> set[int]:
    """Return the processes that this one has started, and theirs."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
    found, new = set(), {os.getpid()}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Put back the levels of other packages' loggers that a sweep lowers."""
    loggers = {name: logging.getLogger(name) for name in ("mlflow", "alembic", "ray")}
    levels = {name: logger.level for name, logger in loggers.items()}
    yield
    for name, logger in loggers.items():
        logger.setLevel(levels[name])
