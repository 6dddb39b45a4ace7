"""GPU share: what a trial may take of its GPUs' memory, and what it took.

Ray's share of a GPU is only a count. Each process caps itself, so that a greedy trial runs out of
memory itself, and its neighbours do not.
(PyTorch documentation, "torch.cuda.memory.set_per_process_memory_fraction".)
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Self, final

from akid.cluster import machine
from akid.cluster.gpu_meter import GpuMeter
from akid.cluster.gpu_use import GpuUse

CONTEXT_BYTES: Final = 640 * 2**20
"""What CUDA itself takes of a GPU in each process: 400 to 600 MiB, which PyTorch does not count."""


def allocator_fraction(share: float, memory_bytes: int) -> float:
    """Return the part of a GPU's memory that PyTorch may hand out in one process.

    So many processes as have room with this share then fit on the GPU, with their CUDA contexts.

    Args:
        share: The trial's share of the GPU, above 0; 1 and more is all of it.
        memory_bytes: The GPU's memory.

    >>> allocator_fraction(1, 80 * 2**30)
    1.0
    >>> round(allocator_fraction(0.25, 80 * 2**30), 4)
    0.2422
    """
    if share >= 1:
        return 1.0
    neighbours = math.floor(1 / share + 1e-4)
    left = max(0, memory_bytes - neighbours * CONTEXT_BYTES)
    return left / memory_bytes / neighbours


@final
class GpuShare:
    """Holds a trial to its share of the GPUs of this process inside of a `with` block.

    Args:
        share: The GPUs that the trial was given: 0, a part of one, or a whole number.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._meter = GpuMeter(_own_uuids() if share > 0 else [])

    def __enter__(self) -> Self:
        self._is_cuda = self._share > 0 and _cap(self._share)
        self._meter.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._meter.__exit__(*raised)

    def uses(self) -> list[GpuUse]:
        """Return what this process took of each of its GPUs; empty without any.

        The peak of memory is the larger of the driver's count and PyTorch's: in a container the
        driver often does not know the process.
        """
        found = {use.uuid: use for use in self._meter.uses()}
        for uuid, reserved_bytes in _reserved_bytes() if self._is_cuda else ():
            known = found.get(uuid, GpuUse(uuid=uuid))
            peak_bytes = max(float(reserved_bytes), known.peak_memory_bytes)
            found[uuid] = replace(known, peak_memory_bytes=peak_bytes)
        return list(found.values())


def _own_uuids() -> list[str]:
    found = machine.local_gpus()
    return [] if isinstance(found, str) else [gpu.uuid for gpu in found if not gpu.fault]


def _cap(share: float) -> bool:
    """Cap this process on each of its GPUs; return whether it has any."""
    import torch

    if not torch.cuda.is_available():  # logical GPUs, or none
        return False
    for device in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(allocator_fraction(share, memory), device)
        torch.cuda.reset_peak_memory_stats(device)
    return True


def _reserved_bytes() -> Iterator[tuple[str, int]]:
    """Give the UUID of each GPU of this process, and the most that PyTorch took of it."""
    import torch

    for device in range(torch.cuda.device_count()):
        uuid = torch.cuda.get_device_properties(device).uuid
        yield f"GPU-{uuid}", torch.cuda.max_memory_reserved(device)
