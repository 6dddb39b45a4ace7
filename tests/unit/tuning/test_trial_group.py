"""What the workers of a gang say of themselves, and how it becomes the trial's."""

import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest
import ray
import torch

from akid.cluster import nvml
from akid.cluster.gpus import Gpu
from akid.cluster.processor import processor
from akid.training.ray_worker import GroupWorker, Place, Task
from akid.tuning import provenance
from akid.tuning.trial_group import TrialGroupWorker

GPU = Gpu(index=0, name="NVIDIA L4", uuid="GPU-0", memory_bytes=1, free_bytes=1, driver="570.86")


def test_a_gangs_tags_are_those_of_all_workers_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of ranks; the host and the driver once."""
    monkeypatch.setattr(nvml, "survey", lambda: [GPU, replace(GPU, index=1, uuid="GPU-1")])
    said = []
    for visible in ("1", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        provenance.worker_tags.cache_clear()
        said.append(provenance.worker_tags())
    provenance.worker_tags.cache_clear()

    assert provenance.joined(said) == {
        "akid.worker_host": socket.gethostname(),
        "akid.processor": processor(),
        "akid.gpu.names": "NVIDIA L4, NVIDIA L4",
        "akid.gpu.uuids": "GPU-1, GPU-0",
        "akid.version.driver": "570.86",
    }
    elsewhere = {**said[1], "akid.worker_host": "other"}
    both = provenance.joined([said[0], elsewhere])["akid.worker_host"]
    assert both == f"{socket.gethostname()}, other"


def test_a_worker_whose_gpu_torch_cannot_use_does_not_practise_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """It says why; which GPU it was given is known to Ray alone."""
    given = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": ["0"]})
    monkeypatch.setattr(GroupWorker, "perform", lambda *_: None)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: given)
    monkeypatch.setattr(nvml, "survey", lambda: [GPU])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    task = Task(
        name="Kid", kid=b"", options={}, heard=(), asked=(), resumes=False, folder=str(tmp_path),
        seed=0, threads=1,
    )  # fmt: skip

    failure = TrialGroupWorker().practise(task, Place(rank=1, num_workers=2, host="a", port=1))

    assert failure is not None
    assert "ResourceError: torch: expected to compute on NVIDIA L4 (driver 570.86)" in failure.text
