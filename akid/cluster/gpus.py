"""GPUs: what a GPU is, and which of a machine's GPUs a process sees."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process sees (CUDA documentation, "CUDA_VISIBLE_DEVICES")."""

_MODEL: Final = re.compile(r"\w+\s+((?:[A-Z]+\s+)*[A-Z0-9]*\d[A-Z0-9]*)")  # Ray's own rule


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuProcess:
    """A process that computes on a GPU.

    Attributes:
        pid: Its number, as the host counts.
        memory_bytes: The GPU's memory that it uses; None where the driver does not tell.
        user: Whose it is; empty where this machine does not see the process.
        command: The beginning of its command line; of a trial, Ray's name for it.
    """

    pid: int
    memory_bytes: int | None
    user: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        index: Its number in NVML's order, that of the PCI bus.
        name: The model, for example `NVIDIA H200`.
        uuid: What names it for good, for example `GPU-8f6d...`.
        memory_bytes: All of its memory.
        free_bytes: The memory that no process uses now.
        driver: The driver's version.
        processes: Who computes on it now.
        instances: The UUIDs of the parts that MIG has cut it into; empty without MIG.
        fault: Why it can't be used; empty for a sound one.
    """

    index: int
    name: str
    uuid: str
    memory_bytes: int
    free_bytes: int
    driver: str
    processes: tuple[GpuProcess, ...] = ()
    instances: tuple[str, ...] = ()
    fault: str = ""


def accelerator_type(name: str) -> str:
    """Return what Ray calls a model of GPU; empty where it has no name.

    >>> [accelerator_type(name) for name in ("NVIDIA H200", "Tesla V100-SXM2-16GB")]
    ['H200', 'V100']
    >>> accelerator_type("NVIDIA GeForce RTX 5090")
    'GeForce-RTX-5090'
    """
    model = _MODEL.match(name)
    if model and len(model.group(1)) > 1:
        return model.group(1).replace(" ", "-")
    return name.removeprefix("NVIDIA").strip().replace(" ", "-")


def seen_gpus(found: list[Gpu] | str, visible: str | None) -> list[Gpu] | str:
    """Return the GPUs that a process sees, or why it sees none.

    Args:
        found: All GPUs of the machine, or why there are none.
        visible: The process's `CUDA_VISIBLE_DEVICES`; None where it is not set.
    """
    if isinstance(found, str):
        return found
    kept = visible_gpus(found, visible)
    if kept:
        return kept
    if visible is not None and found:
        return f"{VISIBLE}={visible!r} hides all {len(found)} GPUs of this machine"
    return "NVML finds no GPU on this machine"


def visible_gpus(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Return the GPUs that a value of `CUDA_VISIBLE_DEVICES` lets through, in its order.

    As for CUDA, numbers and UUIDs (or their beginnings) name a GPU, or a part of one that
    MIG has cut, and the first that names none ends the list; None lets all through.
    """
    if visible is None:
        return list(gpus)
    kept: list[Gpu] = []
    for word in visible.split(","):
        gpu = _named(gpus, word.strip())
        if gpu is None or gpu in kept:
            break
        kept.append(gpu)
    return kept


def _named(gpus: Sequence[Gpu], word: str) -> Gpu | None:
    if word.isdigit():
        return next((gpu for gpu in gpus if gpu.index == int(word)), None)
    if word.startswith("MIG-"):
        parts = [(gpu, uuid) for gpu in gpus for uuid in gpu.instances if uuid.startswith(word)]
        return replace(parts[0][0], uuid=parts[0][1]) if len(parts) == 1 else None
    matching = [gpu for gpu in gpus if word.startswith("GPU-") and gpu.uuid.startswith(word)]
    return matching[0] if len(matching) == 1 else None
