"""The inventory of a cluster."""

import time

import pytest
import ray

from akid.cluster import inventory

pytestmark = pytest.mark.usefixtures("cluster")


def test_each_node_tells_its_gpus_and_what_ray_gave_away() -> None:
    """A share that an actor holds is counted as taken; a node without a driver says so."""

    @ray.remote(num_gpus=0.5, num_cpus=0)
    class Holder:
        def hold(self) -> None: ...

    holder = Holder.remote()
    ray.get(holder.hold.remote())
    try:
        deadline_s = time.monotonic() + 10.0
        (node,) = inventory.of_cluster()
        while node.taken != 0.5 and time.monotonic() < deadline_s:  # Ray's count comes late
            time.sleep(0.2)
            (node,) = inventory.of_cluster()
        assert (node.logical, node.taken) == (2.0, 0.5)
        assert node.gpus
        assert node.gpus == inventory.of_this_machine().gpus
    finally:
        ray.kill(holder)
