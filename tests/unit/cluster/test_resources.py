"""Resources: what trials ask for and what a cluster can give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.resources import (
    ClusterCapacity,
    Node,
    ResourceRequest,
    check_feasible,
)
from akid.errors import ResourceError

TWO_NODES = ClusterCapacity(nodes=(Node(cpus=8, gpus=2, name="a"), Node(cpus=4, gpus=1, name="b")))

shares = st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 1, 2])


def test_a_need_that_fits_no_node_is_refused() -> None:
    """Deficiency of the first akid (8): asking for more than exists waited for ever."""
    with pytest.raises(ResourceError) as caught:
        check_feasible([ResourceRequest(gpus=1), *[ResourceRequest(gpus=3)] * 7], TWO_NODES)

    text = str(caught.value)
    assert "trials 1, 2, 3, 4, 5 and 2 more: 1 CPU, 3 GPUs" in text
    assert "a: 8 CPUs, 2 GPUs\n  b: 4 CPUs, 1 GPU" in text


def test_a_trial_has_to_fit_on_one_node() -> None:
    """Three GPUs on two nodes are no place for a trial of three."""
    assert TWO_NODES.gpus == 3
    assert not TWO_NODES.holds(ResourceRequest(gpus=3))
    assert TWO_NODES.holds(ResourceRequest(gpus=2, cpus=8))
    assert not TWO_NODES.holds(ResourceRequest(gpus=2, cpus=9))


def test_an_empty_cluster_holds_nothing() -> None:
    """No node is said as that."""
    with pytest.raises(ResourceError, match="no node"):
        check_feasible([ResourceRequest()], ClusterCapacity(nodes=()))


@pytest.mark.parametrize(
    ("request_", "slots"),
    [
        (ResourceRequest(cpus=1), 12),
        (ResourceRequest(cpus=0.5), 24),
        (ResourceRequest(cpus=1, gpus=0.3), 9),
        (ResourceRequest(cpus=1, gpus=1), 3),
        (ResourceRequest(cpus=1, gpus=2), 1),
        (ResourceRequest(cpus=4, gpus=0.5), 3),
        (ResourceRequest(cpus=9), 0),
    ],
)
def test_slots_count_the_trials_at_once(request_: ResourceRequest, slots: int) -> None:
    """Shares of one trial lie on one GPU, so three of 0.3 fit on each."""
    assert TWO_NODES.slots(request_) == slots


@given(shares, shares, st.integers(1, 16), st.integers(0, 8))
def test_what_is_held_has_a_slot(cpus: float, gpus: float, all_cpus: int, all_gpus: int) -> None:
    """A cluster that can hold a request can run a trial of it, and the other way round."""
    capacity = ClusterCapacity(nodes=(Node(cpus=all_cpus, gpus=all_gpus),))
    request = ResourceRequest(cpus=cpus, gpus=gpus)

    assert capacity.holds(request) == (capacity.slots(request) > 0)
    assert capacity.slots(request) * request.gpus <= all_gpus + 1e-6


def test_threads_are_the_whole_cpus() -> None:
    """At least one thread."""
    assert [ResourceRequest(cpus=cpus).threads for cpus in (0.5, 1, 2.5, 8)] == [1, 1, 2, 8]


def test_workers_that_have_to_lie_together_need_one_machine_for_all() -> None:
    """Three machines with room for two workers each hold a gang of three only apart."""
    capacity = ClusterCapacity(nodes=(Node(cpus=2),) * 3)
    apart, together = (ResourceRequest(workers=3, together=how) for how in (False, True))

    assert capacity.slots(apart) == 2
    assert capacity.slots(together) == 0
    assert capacity.slots(ResourceRequest(workers=2, together=True)) == 3
    with pytest.raises(ResourceError, match="with an object store"):
        check_feasible([together], capacity)
