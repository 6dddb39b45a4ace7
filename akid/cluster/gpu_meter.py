"""GPU meter: what a process's own GPUs did while it ran (NVML, by UUID).

Of a GPU that several trials share, utilisation and energy are those of the whole GPU; memory is the
process's own where the driver tells it.
"""

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Self, final

from akid.cluster import nvml
from akid.cluster.gpu_use import GpuUse

_SAMPLE_EVERY_S: Final = 1.0  # NVML averages utilisation over up to a second


@dataclass(kw_only=True, slots=True)
class _Readings:
    """What was read of one GPU."""

    uuid: str
    handle: Any
    energy_at_start_mj: int | None
    energy_mj: int | None = None
    utilization_percent: list[int] = field(default_factory=list)
    peak_memory_bytes: int = 0

    def use(self) -> GpuUse:
        busy, energy_mj = self.utilization_percent, self.energy_mj
        return GpuUse(
            uuid=self.uuid,
            peak_memory_bytes=float(self.peak_memory_bytes),
            utilization_percent=sum(busy) / len(busy) if busy else None,
            energy_joules=None if energy_mj is None else energy_mj / 1000,
        )


@final
class GpuMeter:
    """Reads the GPUs with these UUIDs, once a second, inside of a `with` block.

    A GPU or a quantity that can't be read is left out; without any GPU, `uses` is empty.

    Args:
        uuids: The GPUs.
        library: The module `pynvml`, already initialised; None loads it.
    """

    def __init__(self, uuids: Sequence[str], library: Any = None) -> None:
        self._uuids = uuids
        self._nvml = library
        self._readings: list[_Readings] = []
        self._stack = ExitStack()
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        if not self._uuids:
            return self
        try:
            self._nvml = self._nvml or self._stack.enter_context(nvml.library())
        except nvml.NoNvml:
            return self
        for uuid in self._uuids:
            handle = self._read(self._nvml.nvmlDeviceGetHandleByUUID, uuid)
            if handle is not None:
                energy = self._read(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
                self._readings.append(
                    _Readings(uuid=uuid, handle=handle, energy_at_start_mj=energy)
                )
        if self._readings:
            thread = threading.Thread(target=self._sample_on, name="GPU meter", daemon=True)
            self._stack.callback(thread.join)
            self._stack.callback(self._is_over.set)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sample()
        self._stack.close()

    def uses(self) -> list[GpuUse]:
        """Return what was read of each GPU."""
        return [reading.use() for reading in self._readings]

    def _sample_on(self) -> None:
        while not self._is_over.wait(_SAMPLE_EVERY_S):
            self._sample()

    def _sample(self) -> None:
        for reading in self._readings:
            rates = self._read(self._nvml.nvmlDeviceGetUtilizationRates, reading.handle)
            if rates is not None:
                reading.utilization_percent.append(rates.gpu)
            processes = self._read(self._nvml.nvmlDeviceGetComputeRunningProcesses, reading.handle)
            own = [p.usedGpuMemory or 0 for p in processes or () if p.pid == os.getpid()]
            reading.peak_memory_bytes = max(reading.peak_memory_bytes, *own, 0)
            reading.energy_mj = self._energy_mj(reading)

    def _energy_mj(self, reading: _Readings) -> int | None:
        now = self._read(self._nvml.nvmlDeviceGetTotalEnergyConsumption, reading.handle)
        if now is None or reading.energy_at_start_mj is None:
            return None
        return int(now) - reading.energy_at_start_mj

    def _read(self, ask: Any, about: Any) -> Any:
        """Return what NVML answers; None where it does not."""
        try:
            return ask(about)
        except self._nvml.NVMLError:
            return None
