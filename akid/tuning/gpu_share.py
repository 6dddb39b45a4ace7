"""GPU share: what a trial may take of its GPUs' memory, and what it took.

Ray's share of a GPU is only a count. Each process caps itself, so that a greedy trial runs out of
memory itself, and its neighbours do not.
(PyTorch documentation, "torch.cuda.memory.set_per_process_memory_fraction".)
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Self, final

from akid.cluster import machine
from akid.cluster.gpu_meter import GpuMeter
from akid.cluster.gpu_use import GpuUse
from akid.cluster.gpus import Gpu

CONTEXT_BYTES: Final = 640 * 2**20
"""What CUDA itself takes of a GPU in each process: 400 to 600 MiB, which PyTorch does not count."""

LEAST_BYTES: Final = 64 * 2**20
"""What no net does without: a workspace of cuBLAS (32 MiB) and a segment of PyTorch's (20 MiB)."""


def allocator_bytes(share: float, memory_bytes: int) -> int:
    """Return how much of a GPU's memory PyTorch may hand out in one process.

    It is the share less the CUDA context, so that all who share the GPU fit on it, whatever their
    shares are; 0 where the share does not suffice for the context.

    Args:
        share: The trial's share of the GPU, above 0; 1 and more is all of it.
        memory_bytes: The GPU's memory.

    >>> allocator_bytes(1, 80 * 2**30) / 2**30
    80.0
    >>> allocator_bytes(0.25, 80 * 2**30) / 2**30
    19.375
    """
    if share >= 1:
        return memory_bytes
    return max(0, math.floor(share * memory_bytes) - CONTEXT_BYTES)


def share_fault(share: float, memory_bytes: int, *, name: str) -> str:
    """Return why nothing can be trained with a share of a GPU; empty if something can.

    >>> share_fault(1 / 8, 8 * 2**30, name="NVIDIA L4")
    ''
    """
    if allocator_bytes(share, memory_bytes) >= LEAST_BYTES:
        return ""
    needed = math.ceil((CONTEXT_BYTES + LEAST_BYTES) / memory_bytes * 10_000) / 10_000
    return (
        f"gpu_num_per_instance: expected a share of {name} that leaves room beside the"
        f" {CONTEXT_BYTES / 2**20:g} MiB that CUDA takes in each process, got {share:g} of its"
        f" {memory_bytes / 2**30:.1f} GiB. Let fewer trials share it, each with at least {needed:g}"
        " (--gpus-per-trial), or train on the CPU (0)."
    )


@final
class GpuShare:
    """Holds a trial to its share of the GPUs of this process inside of a `with` block.

    Args:
        share: The GPUs that the trial was given: 0, a part of one, or a whole number.

    Attributes:
        fault: Why the trial can't compute on what it was given; empty if it can, or has no GPU.
    """

    def __init__(self, share: float) -> None:
        self.fault = ""
        self._share = share
        self._gpus = _own_gpus() if share > 0 else []
        self._meter = GpuMeter([gpu.uuid for gpu in self._gpus])

    def __enter__(self) -> Self:
        self._is_cuda = self._share > 0 and _is_cuda()
        if self._is_cuda:
            self.fault = _cap(self._share)
        elif self._gpus:
            self.fault = _torch_fault(self._gpus)
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


def _own_gpus() -> Sequence[Gpu]:
    """Return the sound GPUs of this process; none where GPUs are only counted."""
    found = machine.local_gpus()
    return [] if isinstance(found, str) else [gpu for gpu in found if not gpu.fault]


def _is_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _torch_fault(gpus: Sequence[Gpu]) -> str:
    """Return why torch does not find GPUs that the driver lists.

    Two trials with the same fault say the same, so that a sweep ends after a few of them.
    """
    import torch

    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
    cuda = torch.version.cuda
    built = "without CUDA" if cuda is None else f"for CUDA {cuda}"
    advice = (
        "Install a torch that is built for CUDA"
        if cuda is None
        else "Update the driver, or install a torch that is built for a CUDA which the driver knows"
    )
    return (
        f"torch: expected to compute on {names} (driver {gpus[0].driver}), which the trial was"
        f" given, got torch {torch.__version__}, built {built}, which can't: {_reason()}. {advice},"
        " or train on the CPU with gpu_num_per_instance = 0 (--gpus-per-trial 0)."
    )


def _reason() -> str:
    """Return what torch says when it is to use a GPU in spite of finding none."""
    import torch

    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split()).rstrip(".")
    return "it finds none"


def _cap(share: float) -> str:
    """Cap this process on each of its GPUs; return why that leaves too little, or nothing."""
    import torch

    faults = []
    for device in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(device)
        fraction = allocator_bytes(share, gpu.total_memory) / gpu.total_memory
        torch.cuda.set_per_process_memory_fraction(fraction, device)
        torch.cuda.reset_peak_memory_stats(device)
        faults.append(share_fault(share, gpu.total_memory, name=gpu.name))
    return next(filter(None, faults), "")


def _reserved_bytes() -> Iterator[tuple[str, int]]:
    """Give the UUID of each GPU of this process, and the most that PyTorch took of it."""
    import torch

    for device in range(torch.cuda.device_count()):
        uuid = torch.cuda.get_device_properties(device).uuid
        yield f"GPU-{uuid}", torch.cuda.max_memory_reserved(device)
