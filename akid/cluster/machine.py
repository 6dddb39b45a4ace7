"""Machine: what this machine would bring into a cluster of its own, found out without Ray."""

import os

from akid.cluster import gpus
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


def _visible_gpus() -> int:
    found = gpus.local_gpus()
    return 0 if isinstance(found, str) else len(found)
