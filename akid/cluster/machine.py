"""Machine: what this machine would bring into a cluster of its own, found out without Ray."""

import os
from contextlib import AbstractContextManager

from akid.cluster import environment, gpus, nvml
from akid.cluster.demand import ACCELERATOR
from akid.cluster.gpus import Gpu
from akid.cluster.resources import ClusterCapacity, Node


def local_capacity(*, num_cpus: int | None = None, num_gpus: int | None = None) -> ClusterCapacity:
    """Return this machine as a cluster of one node.

    Args:
        num_cpus: Logical CPUs; None for those that this process may use.
        num_gpus: Logical GPUs; None for those that this process may see.
    """
    cpus = len(os.sched_getaffinity(0)) if num_cpus is None else num_cpus
    usable = _sound(local_gpus())
    seen = len(usable) if num_gpus is None else num_gpus
    models = {f"{ACCELERATOR}{gpus.accelerator_type(gpu.name)}": 1.0 for gpu in usable[:1]}
    here = Node(cpus=cpus, gpus=seen, name="this machine", resources=models)
    return ClusterCapacity(nodes=(here,))


def local_gpus() -> list[Gpu] | str:
    """Return the GPUs of this machine that this process sees, or why it sees none."""
    return gpus.seen_gpus(nvml.survey(), os.environ.get(gpus.VISIBLE))


def without_faulty_gpus() -> AbstractContextManager[None]:
    """Hide GPUs that have a fault from processes that are started inside of the `with` block.

    Ray hands out numbers of all GPUs that are visible, also of a lost one, and CUDA may number
    those after it otherwise: the sound ones are named by their UUIDs. Where none is sound, who asks
    for GPUs all the same is not kept from them.
    """
    found = local_gpus()
    sound = _sound(found)
    is_mixed = 0 < len(sound) < len(found)
    visible = {gpus.VISIBLE: ",".join(gpu.uuid for gpu in sound)} if is_mixed else {}
    return environment.inherited(visible)


def _sound(found: list[Gpu] | str) -> list[Gpu]:
    return [] if isinstance(found, str) else [gpu for gpu in found if not gpu.fault]
