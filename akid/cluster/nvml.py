"""NVML: what NVIDIA's management library says of this machine's GPUs.

(NVIDIA documentation, "NVML API Reference Guide".) Whatever is amiss with the driver or with one
GPU is an answer, not an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from akid.cluster.gpus import Gpu, GpuProcess

_COMMAND_CHARS: Final = 60


class NoNvml(Exception):  # noqa: N818 (it is an answer)
    """Why this machine's GPUs can't be asked for; never leaves `akid.cluster`."""


def survey() -> list[Gpu] | str:
    """Return all GPUs of this machine, or why there are none."""
    try:
        with library() as nvml:
            return listed(nvml)
    except NoNvml as reason:
        return str(reason)


@contextmanager
def library() -> Iterator[Any]:
    """Load the library, and let it go at the end of the `with` block.

    Yields:
        The module `pynvml`.

    Raises:
        NoNvml: If there is no library, no driver, or they do not fit each other.
    """
    try:
        import pynvml
    except ImportError as error:
        raise NoNvml(f"NVIDIA's management library can't be used: {error}") from error
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError) as error:
        raise NoNvml(f"no NVIDIA driver answers: {error}") from error
    try:
        yield pynvml
    finally:
        _shut_down(pynvml)


def listed(nvml: Any) -> list[Gpu] | str:
    """Return all GPUs that the library lists; one that can't be asked carries its fault."""
    try:
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return f"the NVIDIA driver does not list its GPUs: {error}"
    return [_gpu(nvml, index, driver) for index in range(count)]


def _gpu(nvml: Any, index: int, driver: str) -> Gpu:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return Gpu(
            index=index,
            name=_text(nvml.nvmlDeviceGetName(handle)),
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            memory_bytes=int(memory.total),
            free_bytes=int(memory.free),
            driver=driver,
            processes=_processes(nvml, handle),
            instances=_instances(nvml, handle),
        )
    except nvml.NVMLError as error:
        return Gpu(
            index=index,
            name="unknown",
            uuid="",
            memory_bytes=0,
            free_bytes=0,
            driver=driver,
            fault=str(error),
        )


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    """Return who computes on a GPU; nobody where the driver does not tell."""
    try:
        found = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return ()
    return tuple(_process(p.pid, p.usedGpuMemory) for p in found)


def _process(pid: int, memory_bytes: int | None) -> GpuProcess:
    """Return what this machine knows of a process; in a container it may see none but its own."""
    folder = Path("/proc") / str(pid)
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        user = folder.owner()
    except (OSError, KeyError):
        return GpuProcess(pid=pid, memory_bytes=memory_bytes)
    command = " ".join(words).strip()[:_COMMAND_CHARS]
    return GpuProcess(pid=pid, memory_bytes=memory_bytes, user=user, command=command)


def _instances(nvml: Any, handle: Any) -> tuple[str, ...]:
    """Return the UUIDs of the parts that MIG has cut a GPU into."""
    try:
        mode, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return ()  # a model without MIG
    if mode != nvml.NVML_DEVICE_MIG_ENABLE:
        return ()
    uuids = []
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except nvml.NVMLError:
            continue  # numbers without an instance
        uuids.append(_text(nvml.nvmlDeviceGetUUID(instance)))
    return tuple(uuids)


def _shut_down(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
