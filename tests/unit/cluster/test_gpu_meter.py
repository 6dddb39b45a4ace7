# ruff: noqa: N802, ARG002 (the library's names)
"""What a process's own GPUs did."""

import os
from types import SimpleNamespace

import pynvml

from akid.cluster.gpu_meter import GpuMeter
from akid.cluster.gpu_use import GpuUse


class Library:
    """Two GPUs; the second can't tell its energy, and a third is lost."""

    NVMLError = pynvml.NVMLError

    def __init__(self) -> None:
        self.energy_mj = 1_000
        self.own_bytes = 2**30

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid == "GPU-lost":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if handle == "GPU-2":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.energy_mj

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=80 if handle == "GPU-1" else 40)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=self.own_bytes)
        return [own, SimpleNamespace(pid=1, usedGpuMemory=2**40)]


def test_only_the_own_gpus_and_the_own_memory_count() -> None:
    """Neighbours' memory is not counted; what can't be read is left out."""
    library = Library()

    with GpuMeter(["GPU-1", "GPU-2", "GPU-lost"], library) as meter:
        library.energy_mj += 5_000
    first, second = meter.uses()
    assert first == GpuUse(
        uuid="GPU-1", utilization_percent=80.0, energy_joules=5.0, peak_memory_bytes=2.0**30
    )
    assert second == GpuUse(uuid="GPU-2", utilization_percent=40.0, peak_memory_bytes=2.0**30)


def test_the_peak_stays_when_memory_is_given_back() -> None:
    """It is the largest reading of all."""
    library = Library()

    with GpuMeter(["GPU-1"], library) as meter:
        meter._sample()
        library.own_bytes = 1
    assert [use.peak_memory_bytes for use in meter.uses()] == [2**30]


def test_without_gpus_there_is_nothing() -> None:
    """And no thread, and no library."""
    with GpuMeter([]) as meter:
        pass
    assert meter.uses() == []
