"""Trials of a sweep on a real GPU: they share it, each within its part, and say what they took."""

import json
import threading
from pathlib import Path

import pytest
import torch

from akid import sweep
from akid.cluster import nvml
from akid.tuning.gpu_share import CONTEXT_BYTES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

# Each trial takes parts of its GPU's memory one after the other, when `order` lets it.
TAKING = """
opt_paras_list = OPTS
cpu_num_per_instance = 0.5
retries = {"memory": 0}
abort_after = 0


def setup():
    import time
    from pathlib import Path

    import torch

    from akid import Brain, FeedSensor, InnerProductLayer, Kid, MomentumKongFu
    from akid import SoftmaxWithLossLayer, SyntheticFeedSource

    name = {{ opt_paras["name"] }}
    order = Path("FOLDER")

    def wait_for(event):
        deadline_s = time.monotonic() + 120
        while not (order / event).exists():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{name} has waited for {event} in vain")
            time.sleep(0.05)

    def take(kid):
        kept = []
        whole = torch.cuda.get_device_properties(0).total_memory
        for event, part in {{ opt_paras["takes"] }}:
            wait_for(event)
            try:
                kept.append(torch.empty(int(part * whole), dtype=torch.uint8, device="cuda"))
            except torch.cuda.OutOfMemoryError:
                (order / f"{name} was refused").touch()
                raise
            torch.cuda.synchronize()
            (order / f"{name} has {len(kept)}").touch()
        time.sleep(1.0)

    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
    inputs = [{"name": "ip1"}, {"name": "system_in", "idxs": [1]}]
    brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))
    source = SyntheticFeedSource(shape=[8, 8, 1], num_train=64, num_val=32)
    sensor = FeedSensor(source_in=source, batch_size=32)
    kid = Kid(sensor, brain, MomentumKongFu(lr=0.01), max_steps=2)
    kid.hooks.on_train_begin.append(take)
    return kid
"""


def trials_that_take(
    tmp_path: Path, opts: list[dict], *, share: float, capsys: pytest.CaptureFixture
) -> list[dict]:
    """Sweep such trials on GPUs of a cluster of their own; return what the command says of them."""
    order = tmp_path / "order"
    order.mkdir()
    (order / "begin").touch()
    file = tmp_path / "taking.py"
    file.write_text(TAKING.replace("OPTS", repr(opts)).replace("FOLDER", str(order)))
    places = ["--work-dir", str(tmp_path), "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    capsys.readouterr()
    sweep.main([str(file), "--gpus-per-trial", str(share), "--num-cpus", "2", "--json", *places])
    return json.loads(capsys.readouterr().out)["trials"]


def tags_and_metrics(tmp_path: Path, trial: dict) -> tuple[dict, dict]:
    """Return what MLflow has of a trial."""
    from mlflow import MlflowClient

    run = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").get_run(trial["run_id"])
    return run.data.tags, run.data.metrics


def test_a_greedy_trial_fails_itself_and_not_its_neighbour(tmp_path: Path, capsys) -> None:
    """Two halves lie on one GPU; what is more than a half is refused though the GPU has room."""
    opts = [
        {"name": "modest", "takes": [("begin", 0.2), ("greedy was refused", 0.2)]},
        {"name": "greedy", "takes": [("modest has 1", 0.6)]},
    ]

    modest, greedy = trials_that_take(tmp_path, opts, share=0.5, capsys=capsys)

    assert (modest["status"], greedy["status"]) == ("FINISHED", "FAILED")
    assert "OutOfMemoryError" in greedy["error"]
    tags, metrics = tags_and_metrics(tmp_path, modest)
    assert tags["akid.gpu.uuids"] == tags_and_metrics(tmp_path, greedy)[0]["akid.gpu.uuids"]
    assert "," not in tags["akid.gpu.uuids"], "a trial sees the GPU that it was given alone"
    whole = torch.cuda.get_device_properties(0).total_memory
    assert 0.4 * whole <= metrics["gpu/peak_memory_bytes"] <= 0.5 * whole


def test_four_quarters_lie_on_one_gpu_at_once(tmp_path: Path, capsys) -> None:
    """Each has its fifth only when all have begun."""
    names = ["first", "second", "third", "fourth"]
    begun = [(f"{name} has 1", 0.0) for name in names]
    opts = [{"name": name, "takes": [("begin", 0.0), *begun, ("begin", 0.2)]} for name in names]

    trials = trials_that_take(tmp_path, opts, share=0.25, capsys=capsys)

    assert [trial["status"] for trial in trials] == ["FINISHED"] * 4
    uuids = {tags_and_metrics(tmp_path, trial)[0]["akid.gpu.uuids"] for trial in trials}
    assert len(uuids) == 1
    assert uuids <= {gpu.uuid for gpu in nvml.survey()}


def test_the_logged_peak_is_the_devices(tmp_path: Path, capsys) -> None:
    """As NVML sees the GPU from outside, less than a CUDA context apart; it must be idle before."""
    opts = [{"name": "alone", "takes": [("begin", 0.1), ("begin", 0.2)]}]
    before = nvml.survey()
    most = {gpu.uuid: gpu.memory_bytes - gpu.free_bytes for gpu in before}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.05):
            for gpu in nvml.survey():
                most[gpu.uuid] = max(most[gpu.uuid], gpu.memory_bytes - gpu.free_bytes)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        (alone,) = trials_that_take(tmp_path, opts, share=1, capsys=capsys)
    finally:
        is_over.set()
        watching.join()

    assert alone["status"] == "FINISHED"
    tags, metrics = tags_and_metrics(tmp_path, alone)
    (idle,) = [gpu for gpu in before if gpu.uuid == tags["akid.gpu.uuids"]]
    seen_bytes = most[idle.uuid] - (idle.memory_bytes - idle.free_bytes)
    assert seen_bytes == pytest.approx(metrics["gpu/peak_memory_bytes"], abs=CONTEXT_BYTES)
