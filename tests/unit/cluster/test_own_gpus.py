"""Which GPUs a process sees that Ray has started."""

import os
from types import SimpleNamespace

import pytest
import ray

from akid.cluster.own_gpus import see_own_gpus


def _given(monkeypatch: pytest.MonkeyPatch, gpus: list[str], **environment: str) -> dict[str, str]:
    """Return what a process has in its environment to which Ray gave such GPUs."""
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": gpus, "TPU": []})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(os, "environ", environment)
    see_own_gpus()
    return environment


@pytest.mark.parametrize("before", [{}, {"CUDA_VISIBLE_DEVICES": "2,3"}])
def test_a_process_without_gpus_sees_none(monkeypatch, before) -> None:
    """Whichever the machine's other processes see."""
    assert _given(monkeypatch, [], **before)["CUDA_VISIBLE_DEVICES"] == ""


def test_a_process_with_gpus_sees_those(monkeypatch) -> None:
    """Ray has said so already."""
    before = {"CUDA_VISIBLE_DEVICES": "1"}

    assert _given(monkeypatch, ["1"], **before)["CUDA_VISIBLE_DEVICES"] == "1"


def test_cuda_counts_gpus_as_nvml_does(monkeypatch) -> None:
    """Or as the user wants it."""
    users = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}

    assert _given(monkeypatch, ["0"])["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert _given(monkeypatch, ["0"], **users)["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
