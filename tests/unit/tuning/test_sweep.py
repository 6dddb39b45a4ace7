"""What a sweep plans on: the files of earlier trials, and the GPUs that there are."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from akid.cluster import nvml
from akid.cluster.gpus import VISIBLE, Gpu
from akid.cluster.work_dir import WorkDir
from akid.errors import StorageError
from akid.tuning import experiment as experiments
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.packing import Peak, Peaks, model_of, share_of
from akid.tuning.rows import Left
from akid.tuning.sweep import Sweep, SweepOptions
from akid.tuning.tracking import FOLDER_TAG, TrialEnd, TrialStart

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("mlflow", "sqlalchemy")
]
SOURCE = "gpu_num_per_instance = 0\n\n\ndef setup():\n    return None\n"


def kill_one(sweep: Sweep, uri: str, work_dir: str | Path) -> str:
    """Let the store have a trial of a sweep that broke off; return where its files lie."""
    trial = sweep.plan().to_run[0]
    tracker = MlflowTracker(uri, "first")
    folder = WorkDir.of(work_dir).below("first").of_trial(trial.slug)
    start = TrialStart.of(trial, tags={FOLDER_TAG: folder})
    run_id = tracker.start_trial(start, parent_id=tracker.start_sweep("sweep", tags={}))
    tracker.end_trial(run_id, TrialEnd(status="KILLED"))
    return folder


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

    kill_one(swept("s3://old/runs"), uri, f"s3://old/runs{options}")
    monkeypatch.setattr("akid.tuning.sweep.left_in", gone)

    assert swept("s3://new/runs").plan().trials[0].reason == "killed before"
    with pytest.raises(StorageError, match="s3://old/runs/first/"):
        swept("s3://old/runs").plan()


def test_a_sweep_packs_for_the_gpus_that_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    """A small one that is hidden, to drive a display, does not count."""
    gpu = Gpu(
        index=0, name="NVIDIA L4", uuid="a", memory_bytes=24 * 2**30, free_bytes=0, driver="570.86"
    )
    display = replace(gpu, index=1, name="NVIDIA T400", memory_bytes=2 * 2**30)
    monkeypatch.setattr(nvml, "survey", lambda: [gpu, display])
    monkeypatch.setenv(VISIBLE, "0")
    (tmp_path / "first.py").write_text(SOURCE.replace("0", "'auto'", 1))
    options = SweepOptions(
        tracking_uri=f"sqlite:///{shutil.copy(empty_store, tmp_path)}",
        work_dir=WorkDir.of(str(tmp_path / "runs")),
        num_cpus=8,
    )
    sweep = Sweep(experiments.load(tmp_path / "first.py"), options)
    plan = sweep.plan()
    assert [trial.gpus for trial in plan.to_run] == [1]
    peak = Peak(peak_bytes=4 * 2**30, memory_bytes=gpu.memory_bytes, gpu_model=model_of(gpu))
    Peaks(tmp_path / "runs" / "first").add(plan, plan.to_run[0], peak)

    assert [trial.gpus for trial in sweep.plan().to_run] == [share_of(4)]
    monkeypatch.delenv(VISIBLE)
    assert [trial.gpus for trial in sweep.plan().to_run] == [1]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_can_not_be_read_is_nothing_to_go_on_from(
    tmp_path: Path, empty_store: Path, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    """Such as another user's; the sweep says so, and plans. A file in its place is no folder."""
    (tmp_path / "first.py").write_text(SOURCE)
    uri = f"sqlite:///{shutil.copy(empty_store, tmp_path)}"
    options = SweepOptions(tracking_uri=uri, work_dir=WorkDir.of(tmp_path / "runs"))
    sweep = Sweep(experiments.load(tmp_path / "first.py"), options)
    folder = Path(kill_one(sweep, uri, tmp_path / "runs"))
    if is_there:  # what root can't read either
        (folder / "rows.jsonl").mkdir(parents=True)
    else:
        folder.parent.mkdir(parents=True)
        folder.write_text("no folder")

    assert sweep.plan().trials[0].reason == "killed before"
    assert ("begins anew: [Errno" in caplog.text) == is_there
