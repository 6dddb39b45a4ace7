"""GPU use: what GPUs did while a trial ran, put together from all of its processes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuUse:
    """What a process read of one GPU.

    Attributes:
        uuid: The GPU.
        peak_memory_bytes: The most memory that this process had of it.
        utilization_percent: How busy the whole GPU was on average; None if that can't be read.
        energy_joules: What the whole GPU took; None if that can't be read.
    """

    uuid: str
    peak_memory_bytes: float = 0.0
    utilization_percent: float | None = None
    energy_joules: float | None = None


def metrics_of(uses: Iterable[GpuUse]) -> Mapping[str, float]:
    """Return the metrics `gpu/*` of a trial; what nobody could read is left out.

    Memory is that of the GPU that had most, energy that of all GPUs, utilisation their average.
    A GPU of several processes counts once.

    >>> uses = [GpuUse(uuid=name, peak_memory_bytes=2.0, energy_joules=5.0) for name in "ab"]
    >>> metrics_of(uses)
    {'gpu/energy_joules': 10.0, 'gpu/peak_memory_bytes': 2.0}
    """
    by_gpu: dict[str, list[GpuUse]] = {}
    for use in uses:
        by_gpu.setdefault(use.uuid, []).append(use)
    busy = [_highest(use.utilization_percent for use in gpu) for gpu in by_gpu.values()]
    energies = [_highest(use.energy_joules for use in gpu) for gpu in by_gpu.values()]
    found: dict[str, float] = {}
    if read := [percent for percent in busy if percent is not None]:
        found["gpu/utilization_percent"] = sum(read) / len(read)
    if taken := [joules for joules in energies if joules is not None]:
        found["gpu/energy_joules"] = sum(taken)
    peaks = (sum(use.peak_memory_bytes for use in gpu) for gpu in by_gpu.values())
    if peak := max(peaks, default=0.0):
        found["gpu/peak_memory_bytes"] = float(peak)
    return found


def _highest(values: Iterable[float | None]) -> float | None:
    """Return the highest of what several processes read of one GPU."""
    return max((value for value in values if value is not None), default=None)
