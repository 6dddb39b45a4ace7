"""Machine: what this machine would bring into a cluster of its own, found out without Ray."""

import os

from akid.cluster import gpus, nvml
from akid.cluster.gpus import Gpu
from akid.cluster.resources import ClusterCapacity, Node


def local_capacity(*, num_cpus: int | None = None, num_gpus: int | None = None) -> ClusterCapacity:
    """Return this machine as a cluster of one node.

    Args:
        num_cpus: Logical CPUs; None for those that this process may use.
        num_gpus: Logical GPUs; None for those that this process may see.
    """
    cpus = len(os.sched_getaffinity(0)) if num_cpus is None else num_cpus
    seen = _visible_gpus() if num_gpus is None else num_gpus
    return ClusterCapacity(nodes=(Node(cpus=cpus, gpus=seen, name="this machine"),))


def local_gpus() -> list[Gpu] | str:
    """Return the GPUs of this machine that this process sees, or why it sees none."""
    return gpus.seen_gpus(nvml.survey(), os.environ.get(gpus.VISIBLE))


def _visible_gpus() -> int:
    found = local_gpus()
    return 0 if isinstance(found, str) else sum(not gpu.fault for gpu in found)
