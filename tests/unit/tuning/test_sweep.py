"""What a sweep plans on, where the files of earlier trials are not at hand."""

import shutil
from pathlib import Path

import pytest

from akid.cluster.work_dir import WorkDir
from akid.errors import StorageError
from akid.tuning import experiment as experiments
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.rows import Left
from akid.tuning.sweep import Sweep, SweepOptions
from akid.tuning.tracking import FOLDER_TAG, TrialEnd, TrialStart

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("mlflow", "sqlalchemy")
]
SOURCE = "gpu_num_per_instance = 0\n\n\ndef setup():\n    return None\n"


@pytest.mark.parametrize("told", ["http", ""])
def test_files_in_a_store_that_is_gone_stop_a_sweep_only_if_it_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path, told: str
) -> None:
    """In another place the trial begins anew; in its own one it shall not lose what it has."""
    options = f"?endpoint_override={told}://m:9000" if told else ""
    (tmp_path / "first.py").write_text(SOURCE)
    experiment = experiments.load(tmp_path / "first.py")
    uri = f"sqlite:///{shutil.copy(empty_store, tmp_path)}"

    def swept(place: str) -> Sweep:
        work_dir = WorkDir.of(f"{place}{options}")
        return Sweep(experiment, SweepOptions(tracking_uri=uri, work_dir=work_dir))

    def gone(place: str, key: str) -> Left:
        raise StorageError(f"{place} of {key} does not answer")

    trial = swept("s3://old/runs").plan().to_run[0]
    tracker = MlflowTracker(uri, "first")
    folder = WorkDir.of(f"s3://old/runs{options}").below("first").of_trial(trial.slug)
    start = TrialStart.of(trial, tags={FOLDER_TAG: folder})
    run_id = tracker.start_trial(start, parent_id=tracker.start_sweep("sweep", tags={}))
    tracker.end_trial(run_id, TrialEnd(status="KILLED"))
    monkeypatch.setattr("akid.tuning.sweep.left_in", gone)

    assert swept("s3://new/runs").plan().trials[0].reason == "killed before"
    with pytest.raises(StorageError, match="s3://old/runs/first/"):
        swept("s3://old/runs").plan()
