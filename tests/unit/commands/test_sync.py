"""`akid.sweep sync`."""

import shutil

import pytest

from akid.sweep import main
from akid.testing.tracker_contract import make_trial
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.tracking_events import Ended, Left, Recorded, Started

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("alembic", "mlflow", "sqlalchemy")
]


@pytest.fixture(scope="module")
def uri(empty_store, tmp_path_factory) -> str:
    return f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"


@pytest.fixture
def tracker(uri, tmp_path) -> MlflowTracker:
    return MlflowTracker(uri, tmp_path.name)


@pytest.fixture
def head(tracker, uri, tmp_path) -> SpoolHead:
    sweep = tracker.start_sweep("sweep", tags={})
    return SpoolHead(uri=uri, experiment=tmp_path.name, sweep=sweep)


@pytest.fixture
def file(head, tmp_path):
    """Return what a driver left whose store was down from the first trial on."""
    spool = Spool(head.file(tmp_path / "experiment"), head)
    for event in (
        Started(start=TrialStart.of(make_trial(0), tags={})),
        Recorded(index=0, rows=[{"step": 1, "time_s": 10.0, "loss": 2.5}]),
        Left(index=0, texts={"trial.py": "program"}),
        Ended(index=0, end=TrialEnd(status="FINISHED", summary={"best/loss": 2.5})),
    ):
        spool.add(event)
    spool.close()
    return spool.file


def test_what_waits_is_sent(tracker, file, tmp_path, capsys) -> None:
    """By an experiment's name or by a folder; the second time there is nothing."""
    experiment = tmp_path / "experiment" / "experiment.py"
    experiment.write_text("def setup():\n    return 1\n")

    assert main(["sync", str(experiment), "--work-dir", str(tmp_path)]) == 0
    assert "4 events sent" in capsys.readouterr().out
    (run,) = tracker.known_runs()
    assert (run.status, run.best, run.final) == ("FINISHED", {"loss": 2.5}, {"loss": 2.5})
    assert main(["sync", str(tmp_path)]) == 0
    assert "nothing waits below" in capsys.readouterr().out


def test_a_store_without_the_sweep_gets_nothing(tracker, file, tmp_path, capsys) -> None:
    """Exit code 1; it waits on."""
    other = f"sqlite:///{tmp_path / 'other.db'}"

    assert main(["sync", "--work-dir", str(tmp_path), "--tracking-uri", other]) == 1
    assert "expected a store that has run" in capsys.readouterr().err
    assert file.exists()
    assert not (tmp_path / "other.db").exists()


def test_what_a_running_sweep_holds_is_its_own_to_send(file, tmp_path, capsys) -> None:
    """No fault."""
    holder = Spool.open_left(file)

    assert main(["sync", str(tmp_path)]) == 0
    assert "still running" in capsys.readouterr().out
    holder.close()


def test_a_place_that_is_none_is_exit_code_2(tmp_path, capsys) -> None:
    """With what was expected."""
    assert main(["sync", str(tmp_path / "nothing")]) == 2
    assert "expected an experiment file or a folder of sweeps" in capsys.readouterr().err
