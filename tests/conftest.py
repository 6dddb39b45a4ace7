"""Fixtures of all tests."""

import fcntl
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from akid.sensing.datasets.location import VARIABLE, data_path

OWN_CLUSTERS = (
    "tests/chaos/",
    *(
        f"tests/integration/test_{name}.py"
        for name in ("command", "deploy", "full_disk", "hosts", "memory_kill", "nodes", "waiting")
    ),
)

# No test is timed: a busy machine makes any of them slow. Every run draws other examples: few a run
# are many over the runs of a week. `--hypothesis-profile=thorough` looks for longer.
settings.register_profile("akid", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("akid")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None]:
    """Set aside what is imported, or each garbage collection would look through all of torch."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal the suite out to processes (`-n 2`) file by file, but what starts clusters in halves.

    One process has the shared cluster, one starts the others; who is ready first goes on with the
    rest. A cluster more costs ten seconds, and three at once keep each other waiting.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Halves(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file.startswith(OWN_CLUSTERS):
                return "own clusters"
            return "shared cluster" if file.startswith("tests/integration/") else file

    return Halves(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Set aside what is still alive: pytest looks for garbage several times before it ends."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    """Compute on one core: for tensors this small, several cost more than they bring.

    On a busy machine, where they wait for each other, ten times as much.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _loggers_that_propagate() -> None:
    """Let torch's dozens of loggers hand on what they log, as others do.

    pytest puts its handlers on each logger that does not, and takes them off again, six times a
    test.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "torch":
            logger.propagate = True


@pytest.fixture(scope="session")
def _no_data() -> Iterator[str]:
    """Give an empty folder for data sets, removed in the end."""
    with tempfile.TemporaryDirectory(prefix="akid-test-data-") as folder:
        yield folder


@pytest.fixture(autouse=True)
def _real_data_stay_alone(request: pytest.FixtureRequest, _no_data: str) -> Iterator[None]:
    """Keep what tests prepare of made-up data out of the folder of the real ones.

    There it would push out real prepared data. Only a test that asks for real data sees them.
    """
    if "real_data" in request.fixturenames:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:  # its own: a test may undo that of the fixture
        patch.setenv(VARIABLE, _no_data)
        yield


@pytest.fixture
def real_data():
    """Return a function that gives a folder of real data, or skips the test where there is none."""

    def find(folder: str) -> Path:
        path = Path(data_path(), folder)
        if not path.is_dir() or not any(path.iterdir()):
            message = f"no real data at {path}: set AKID_DATA_PATH"
            if os.environ.get("AKID_REQUIRE_DATA") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return MLflow's database with its tables; to make those takes seconds, to copy it nothing.

    Processes that share the suite share it.
    """
    from mlflow import MlflowClient

    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    file, new = folder / "empty" / "mlflow.db", folder / "empty" / "new.db"
    file.parent.mkdir(exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments()
            new.rename(file)
    return file
