"""GPUs: what NVIDIA's management library (NVML) says of this machine's GPUs.

Whatever is amiss with the driver is an answer, not an error: a machine without GPUs trains on its
CPUs.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


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
    """

    index: int
    name: str
    uuid: str
    memory_bytes: int
    free_bytes: int
    driver: str


def local_gpus(environment: Mapping[str, str] | None = None) -> list[Gpu] | str:
    """Return this machine's GPUs that `CUDA_VISIBLE_DEVICES` lets through, or why there are none.

    Args:
        environment: Where `CUDA_VISIBLE_DEVICES` is looked up; None for this process's own.
    """
    found = _all_gpus()
    if isinstance(found, str):
        return found
    visible = (os.environ if environment is None else environment).get(_VISIBLE)
    kept = visible_gpus(found, visible)
    if kept:
        return kept
    if visible is not None and found:
        return f"{_VISIBLE}={visible!r} hides all {len(found)} GPUs of this machine"
    return "NVML finds no GPU on this machine"


def visible_gpus(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Return the GPUs that a value of `CUDA_VISIBLE_DEVICES` lets through, in its order.

    As for CUDA, numbers and UUIDs (or their beginnings) name a GPU, and the first that names none
    ends the list; None lets all through.
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
    matching = [gpu for gpu in gpus if word.startswith("GPU-") and gpu.uuid.startswith(word)]
    return matching[0] if len(matching) == 1 else None


def _all_gpus() -> list[Gpu] | str:
    try:
        import pynvml
    except ImportError as error:
        return f"NVIDIA's management library can't be used: {error}"
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError) as error:
        return f"no NVIDIA driver answers: {error}"
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return [_gpu(pynvml, index, driver) for index in range(pynvml.nvmlDeviceGetCount())]
    except (pynvml.NVMLError, OSError) as error:
        return f"the NVIDIA driver does not list its GPUs: {error}"
    finally:
        _shut_down(pynvml)


def _gpu(pynvml: Any, index: int, driver: str) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        index=index,
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        memory_bytes=int(memory.total),
        free_bytes=int(memory.free),
        driver=driver,
    )


def _shut_down(pynvml: Any) -> None:
    try:
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
