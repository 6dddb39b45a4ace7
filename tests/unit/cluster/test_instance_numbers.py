"""How many GPUs and CPUs each trial has."""

import re

import pytest

from akid.cluster.demand import Demand
from akid.cluster.instance_numbers import requests_for
from akid.cluster.resources import ClusterCapacity, Node
from akid.errors import GridError

CPUS_ONLY = ClusterCapacity(nodes=(Node(cpus=2),))
TWO_NODES = ClusterCapacity(nodes=(Node(cpus=8, gpus=2, name="a"), Node(cpus=4, gpus=1, name="b")))


@pytest.mark.parametrize(
    ("gpus", "capacity", "expected"),
    [
        (None, CPUS_ONLY, [0, 0]),
        (None, TWO_NODES, [1, 1]),
        (0, TWO_NODES, [0, 0]),
        (0.5, TWO_NODES, [0.5, 0.5]),
        (2, TWO_NODES, [2, 2]),
        (2.0, TWO_NODES, [2, 2]),
        ([1, 0.25], TWO_NODES, [1, 0.25]),
        ((0, 2), TWO_NODES, [0, 2]),
    ],
)
def test_gpus_are_a_number_a_share_a_list_or_none(
    gpus: object, capacity: ClusterCapacity, expected: list[float]
) -> None:
    """All documented forms; None, which failed in the first akid, is one each if there are any."""
    requests = requests_for(gpus, 1, 2, capacity)  # type: ignore[arg-type]

    assert [request.gpus for request in requests] == expected


@pytest.mark.parametrize(
    ("gpus", "cpus", "message"),
    [
        (
            1.5,
            1,
            "Ray takes only whole numbers above 1), got gpu_num_per_instance=1.5. Use 1 or 2.",
        ),
        (-1, 1, "expected 0 (the CPU) or at least 0.0001 GPUs, got gpu_num_per_instance=-1"),
        (1e-9, 1, "got gpu_num_per_instance=1e-09"),
        ("2", 1, "expected a number of GPUs, got gpu_num_per_instance='2'"),
        (True, 1, "got gpu_num_per_instance=True"),
        (float("nan"), 1, "got gpu_num_per_instance=nan"),
        ([1, None], 1, "gpu_num_per_instance[1]: expected a number of GPUs"),
        (1, 0, "expected a number of CPUs, at least 0.0001, got cpu_num_per_instance=0"),
        (1, "1", "got cpu_num_per_instance='1'"),
    ],
)
def test_numbers_that_cannot_be_asked_for_are_refused(
    gpus: object, cpus: object, message: str
) -> None:
    """The error says what may be asked for."""
    with pytest.raises(GridError, match=re.escape(message)):
        requests_for(gpus, cpus, 2, TWO_NODES)  # type: ignore[arg-type]


def test_a_list_of_another_length_names_the_product() -> None:
    """One entry for each trial, in the documented order."""
    with pytest.raises(
        GridError, match=r"a list of 12 numbers \(3 repeats x 2 opts x 2 nets\), got a list of 4"
    ):
        requests_for([1] * 4, 1, 12, TWO_NODES, extent="3 repeats x 2 opts x 2 nets")


def test_none_is_a_gpu_where_the_nodes_that_are_meant_have_one() -> None:
    """GPUs of other nodes are no help."""
    nodes = [Node(cpus=2, gpus=gpus, labels={"disk": disk}) for gpus, disk in ((2, "a"), (0, "b"))]
    capacity = ClusterCapacity(nodes=tuple(nodes))
    demands = [Demand.of(None, None, {"disk": disk}) for disk in "ab"]

    found = [requests_for(None, 1, 1, capacity, demand=demand)[0].gpus for demand in demands]

    assert found == [1, 0]
