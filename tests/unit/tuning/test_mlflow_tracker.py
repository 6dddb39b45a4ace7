"""Runs in a real MLflow store."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from akid.cluster.resources import ResourceRequest
from akid.errors import RefusedError, TrackingError
from akid.tuning.experiment import Experiment
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.template import Template
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.trial import Trial, make_trials

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("mlflow", "sqlalchemy")
]


@pytest.fixture(scope="module")
def uri(empty_store, tmp_path_factory) -> str:
    return f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"


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
    parent = tracker.start_sweep("sweep", tags={})
    start = TrialStart.of(trial, tags={"akid.note": "x"})
    run_id = tracker.start_trial(start, parent_id=parent)
    (file := tmp_path / "training.log").write_text("log")
    tracker.log_rows(
        run_id, [{"step": n, "time_s": 2.0, "epoch": 0, "val_loss": 0.5 / n} for n in (1, 2)]
    )
    tracker.end_trial(
        run_id,
        TrialEnd(
            status="FINISHED",
            summary={"best/val_loss": 0.25, "best/step": 1, "test/loss": math.nan, "duration_s": 3},
        ),
    )
    files = {"training.log": file, "missing.log": tmp_path / "missing"}
    tracker.log_files(run_id, files=files, texts={"trial.py": "program"})
    tracker.end_sweep(parent, status="FINISHED", summary={"trials/finished": 1}, ended_s=9.5)

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
    run_id = tracker.start_trial(TrialStart.of(trial, tags={}), parent_id="none")
    tracker.end_trial(run_id, TrialEnd(status=status, tags={"akid.error": "text"}))

    (known,) = tracker.known_runs()
    assert (known.status, known.error) == (status, "text")


def test_a_run_has_its_trials_own_times(uri, trial) -> None:
    """Not those at which the store was told."""
    from mlflow import MlflowClient

    tracker = MlflowTracker(uri, "times")
    start = replace(TrialStart.of(trial, tags={}), started_s=1000.5)
    run_id = tracker.start_trial(start, parent_id="none")
    tracker.end_trial(run_id, TrialEnd(status="FINISHED", ended_s=2000.5))

    info = MlflowClient(tracking_uri=uri).get_run(run_id).info
    assert (info.start_time, info.end_time) == (1_000_500, 2_000_500)


def test_what_the_store_will_never_take_is_told_apart(uri, trial) -> None:
    """A name that is wrong stays wrong; a store that does not answer may do so later."""
    tracker = MlflowTracker(uri, "refused")
    run_id = tracker.start_trial(TrialStart.of(trial, tags={}), parent_id="none")

    with pytest.raises(RefusedError, match="Invalid"):
        tracker.log_rows(run_id, [{"step": 1, "time_s": 1.0, "what?": 1.0}])


def test_what_is_no_text_is_stored_with_escapes(uri, trial, tmp_path) -> None:
    """Bytes that are no UTF-8, and NUL, wherever they stand."""
    from mlflow import MlflowClient

    odd, told = "bad \udcff\0", r"bad \udcff\x00"
    tracker = MlflowTracker(uri, "escaped")
    parent = tracker.start_sweep(odd, tags={"akid.command": odd})
    start = TrialStart.of(trial, tags={"akid.note": odd})
    start = replace(start, label=odd, params={**start.params, "net.path": odd})
    run_id = tracker.start_trial(start, parent_id=parent)
    tracker.set_tags(run_id, {"akid.folder": odd})
    tracker.log_files(run_id, files={}, texts={"error.txt": odd})
    tracker.end_trial(run_id, TrialEnd(status="FAILED", tags={"akid.error": odd}))

    client = MlflowClient(tracking_uri=uri)
    run, sweep = client.get_run(run_id), client.get_run(parent)
    assert (run.info.run_name, sweep.info.run_name) == (told, told)
    assert (run.data.params["net.path"], sweep.data.tags["akid.command"]) == (told, told)
    assert [run.data.tags[f"akid.{name}"] for name in ("note", "folder", "error")] == [told] * 3
    kept = client.download_artifacts(run_id, "error.txt", str(tmp_path))
    assert Path(kept).read_text(encoding="utf-8") == told
    assert run.info.status == "FAILED"


def test_a_store_that_is_missing_is_an_empty_one_to_a_reader(tmp_path) -> None:
    """And is not made."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    tracker = MlflowTracker(uri, "any", create=False)

    assert (tracker.known_runs(), tracker.open_runs(), tracker.has_run("a")) == ([], [], False)
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_is_told_of(uri) -> None:
    """With the command that brings it back."""
    from mlflow import MlflowClient

    tracker = MlflowTracker(uri, "deleted")
    MlflowClient(tracking_uri=uri).delete_experiment(tracker.experiment_id)

    with pytest.raises(TrackingError, match="mlflow experiments restore -x"):
        MlflowTracker(uri, "deleted")
