"""Runs in a real MLflow store."""

import math
from pathlib import Path

import pytest

from akid.cluster.resources import ResourceRequest
from akid.errors import TrackingError
from akid.tuning import provenance
from akid.tuning.experiment import Experiment
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.template import Template
from akid.tuning.tracking import TrialEnd
from akid.tuning.trial import Trial, make_trials

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("mlflow", "sqlalchemy")
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def trial() -> Trial:
    experiment = Experiment(
        name="test",
        template=Template("def setup():\n    return {{ net_paras['long'] }}\n", "test.py"),
        net_paras_list=[{"long": "x" * 7000, "acts": [{"type": "relu"}], "none": None}],
    )
    return make_trials(experiment, [ResourceRequest()])[0]


def test_what_was_logged_is_known(uri, trial, tmp_path) -> None:
    """A run's status, identity and metrics come back; a NaN as well."""
    tracker = MlflowTracker(uri, "known")
    parent = tracker.start_sweep("sweep", tags={}, texts={"setup.py": "text"})
    run_id = tracker.start_trial(trial, parent_id=parent, tags={"akid.note": "x"})
    (file := tmp_path / "training.log").write_text("log")
    tracker.log_rows(
        run_id, [{"step": n, "time_s": 2.0, "epoch": 0, "val_loss": 0.5 / n} for n in (1, 2)]
    )
    tracker.end_trial(
        run_id,
        TrialEnd(
            status="FINISHED",
            summary={"best/val_loss": 0.25, "best/step": 1, "test/loss": math.nan, "duration_s": 3},
            files={"training.log": file, "missing.log": tmp_path / "missing"},
            texts={"trial.py": "program"},
        ),
    )
    tracker.end_sweep(parent, status="FINISHED", summary={"trials/finished": 1})

    (known,) = tracker.known_runs()
    assert (known.key, known.status, known.seed) == (trial.key, "FINISHED", trial.seed)
    assert known.final == {"epoch": 0, "val_loss": 0.25}
    assert known.best == {"val_loss": 0.25, "step": 1}
    assert known.duration_s == 3
    assert math.isnan(known.test["test_loss"])
    folder = Path(uri.removeprefix("sqlite:///")).parent / "mlruns" / "known" / run_id
    assert {path.name for path in (folder / "artifacts").iterdir()} == {"training.log", "trial.py"}


@pytest.mark.parametrize("status", ["FAILED", "DIVERGED", "KILLED"])
def test_an_unhappy_end_keeps_its_own_name_and_its_error(uri, trial, status) -> None:
    """MLflow has no word for DIVERGED."""
    tracker = MlflowTracker(uri, f"end {status}")
    run_id = tracker.start_trial(trial, parent_id="none", tags={})
    tracker.end_trial(run_id, TrialEnd(status=status, tags={"akid.error": "text"}))

    (known,) = tracker.known_runs()
    assert (known.status, known.error) == (status, "text")


def test_a_dead_sweeps_open_runs_are_closed(uri, trial, tmp_path) -> None:
    """Those of a living one are left alone."""
    tracker = MlflowTracker(uri, "left open")
    alive = provenance.tags(tmp_path / "experiment.py")
    dead = {**alive, "akid.driver_pid": str(2**22 + 1)}  # above what Linux gives out
    living = tracker.start_trial(trial, parent_id="none", tags=alive)
    left = tracker.start_trial(trial, parent_id="none", tags=dead)
    tracker.start_sweep("left", tags=dead, texts={})

    assert tracker.close_left_open() == 2
    assert {run.run_id: run.status for run in tracker.known_runs()} == {
        living: "RUNNING",
        left: "KILLED",
    }
    assert tracker.close_left_open() == 0


def test_a_store_that_is_missing_is_an_empty_one_to_a_reader(tmp_path) -> None:
    """And is not made."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    assert MlflowTracker(uri, "any", create=False).known_runs() == []
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_is_told_of(uri) -> None:
    """With the command that brings it back."""
    from mlflow import MlflowClient

    tracker = MlflowTracker(uri, "deleted")
    MlflowClient(tracking_uri=uri).delete_experiment(tracker.experiment_id)

    with pytest.raises(TrackingError, match="mlflow experiments restore -x"):
        MlflowTracker(uri, "deleted")
