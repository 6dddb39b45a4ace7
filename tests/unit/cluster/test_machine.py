"""What this machine would bring into a cluster of its own."""

import os

from akid.cluster.machine import local_capacity


def test_it_has_the_cpus_that_this_process_may_use() -> None:
    """One node."""
    (node,) = local_capacity(num_gpus=0).nodes

    assert (node.cpus, node.gpus) == (len(os.sched_getaffinity(0)), 0)


def test_given_numbers_win() -> None:
    """Logical CPUs and GPUs need not exist."""
    capacity = local_capacity(num_cpus=64, num_gpus=8)

    assert (capacity.cpus, capacity.gpus) == (64, 8)
