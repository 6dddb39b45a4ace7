# ruff: noqa: N802, ARG002 (the library's names)
"""NVML: faults of the driver and of single GPUs are answers."""

import os
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from akid.cluster import nvml


class Library:
    """What NVML answers on a machine with a sound GPU, a lost one and one that MIG has cut."""

    NVMLError = pynvml.NVMLError
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def nvmlSystemGetDriverVersion(self):
        return b"580.1"

    def nvmlDeviceGetCount(self):
        if self.broken is not None:
            raise pynvml.NVMLError(self.broken)
        return 3

    def nvmlDeviceGetHandleByIndex(self, index):
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(total=2**37, free=2**36)

    def nvmlDeviceGetName(self, handle):
        return "NVIDIA H200"

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}" if isinstance(handle, int) else handle

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        if handle == 2:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        ours = SimpleNamespace(pid=os.getpid(), usedGpuMemory=2**30)
        return [ours, SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None)]

    def nvmlDeviceGetMigMode(self, handle):
        if handle == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 1, 1

    def nvmlDeviceGetMaxMigDeviceCount(self, handle):
        return 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, number):
        if number == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"MIG-{handle}-{number}"


def test_a_lost_gpu_does_not_hide_the_others() -> None:
    """It is listed with its fault."""
    sound, lost, cut = nvml.listed(Library())

    assert (sound.uuid, sound.fault, sound.driver) == ("GPU-0", "", "580.1")
    assert (lost.index, lost.fault) == (1, "GPU is lost")
    assert cut.instances == ("MIG-2-0",)


def test_who_computes_is_named_where_this_machine_sees_it() -> None:
    """Another container's process is only a number."""
    ours, foreign = nvml.listed(Library())[0].processes

    assert (ours.pid, ours.user) == (os.getpid(), Path("/proc/self").owner())
    assert "python" in ours.command
    assert (foreign.user, foreign.command, foreign.memory_bytes) == ("", "", None)


def test_a_driver_of_another_version_is_a_reason() -> None:
    """The kernel module was updated, the library was not loaded anew."""
    library = Library(broken=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)

    assert "version mismatch" in nvml.listed(library)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH), "version mismatch"),
        (pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED), "Driver Not Loaded"),
        (OSError("libnvidia-ml.so.1: file too short"), "file too short"),
    ],
)
def test_a_library_that_does_not_begin_is_a_reason(fault, told, monkeypatch) -> None:
    """Most drivers say already at the begin what is amiss."""

    def fail():
        raise fault

    monkeypatch.setattr(pynvml, "nvmlInit", fail)

    assert nvml.survey() == f"no NVIDIA driver answers: {fault}"
    assert told in nvml.survey()


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA driver")
def test_a_machine_without_a_driver_gives_a_reason() -> None:
    """Planning never fails for want of a driver (the first akid needed CUDA to be imported)."""
    found = nvml.survey()

    assert isinstance(found, str)
    assert found


@pytest.mark.gpu
@pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="no NVIDIA driver")
def test_a_real_gpu_is_listed() -> None:
    """On a machine with GPUs each has a name, a UUID and memory."""
    found = nvml.survey()

    assert isinstance(found, list)
    assert all(g.uuid.startswith("GPU-") and 0 < g.free_bytes <= g.memory_bytes for g in found)
