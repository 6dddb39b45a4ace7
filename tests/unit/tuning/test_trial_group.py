"""What the workers of a gang say of themselves, and how it becomes the trial's."""

import socket
from dataclasses import replace

import pytest

from akid.cluster import nvml
from akid.cluster.gpus import Gpu
from akid.cluster.processor import processor
from akid.tuning import provenance

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
