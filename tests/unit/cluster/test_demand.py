"""What trials ask of their node besides CPUs and GPUs."""

import re
from typing import Any

import pytest

from akid.cluster.demand import NOTHING, Demand, demand_faults
from akid.cluster.resources import ClusterCapacity, Node, ResourceRequest, check_feasible
from akid.errors import ResourceError

EU = Node(
    cpus=8,
    gpus=4,
    name="a",
    resources={"slot": 2.0, "accelerator_type:A100": 1.0, "memory": 1e9, "node:10.0.0.1": 1.0},
    labels={"region": "eu", "ray.io/node-id": "5c70"},
)
US = Node(cpus=4, gpus=1, name="b", labels={"region": "us"})
BOTH = ClusterCapacity(nodes=(EU, US, Node(cpus=2, name="c")))


def asking(
    resources: dict[str, float] | None = None,
    accelerator: str | None = None,
    labels: dict[str, str] | None = None,
    **numbers: Any,
) -> ResourceRequest:
    return ResourceRequest(demand=Demand.of(resources, accelerator, labels), **numbers)


@pytest.mark.parametrize(
    ("selector", "nodes"),
    [("eu", "a"), ("!eu", "bc"), ("in(eu, us)", "ab"), ("!in(eu,us)", "c"), ("asia", "")],
)
def test_labels_choose_nodes_by_rays_rules(selector: str, nodes: str) -> None:
    """A node without the label is unlike every value."""
    suiting = BOTH.meant_by(Demand.of(None, None, {"region": selector}))

    assert "".join(node.name for node in suiting.nodes) == nodes


@pytest.mark.parametrize(
    ("request_", "slots"),
    [
        (asking({"slot": 1}), 2),
        (asking({"slot": 0.5}, gpus=1), 4),
        (asking({"slot": 2}, workers=2), 0),
        (asking({"slot": 1}, workers=2, gpus=1), 1),
        (asking(accelerator="A100", gpus=1), 4),
        (asking(accelerator="H100", gpus=1), 0),
        (asking(labels={"region": "!eu"}), 6),
        (asking(labels={"region": "us"}, workers=2, gpus=1), 0),
        (asking({"slot": 1}, labels={"region": "us"}), 0),
    ],
)
def test_slots_are_where_all_is_that_is_asked_for(request_: ResourceRequest, slots: int) -> None:
    """A model of GPU is not used up; a gang's workers all ask."""
    assert BOTH.slots(request_) == slots
    assert BOTH.holds(request_) == (slots > 0)


def test_a_trial_alone_stays_on_a_node_of_its_kind() -> None:
    """The largest machine is no help where its labels are others."""
    request = BOTH.alone(asking(labels={"region": "us"}))

    assert request.cpus == 4
    assert BOTH.holds(request)


def test_each_bundle_carries_the_demand() -> None:
    """As Ray takes it."""
    request = asking({"slot": 1}, "A100", {"region": "eu"}, workers=2, gpus=1)
    bundle = {"CPU": 1.0, "GPU": 1, "slot": 1.0, "accelerator_type:A100": 0.001}

    assert request.bundles == [{}, bundle, bundle]
    assert request.label_selectors == [{"region": "eu"}] * 2
    assert asking().label_selectors is None
    assert asking().demand == NOTHING


def test_need_and_stock_stand_side_by_side() -> None:
    """With what tells the nodes apart, and without what Ray gives every node."""
    with pytest.raises(ResourceError) as caught:
        check_feasible([asking({"slot": 3}, "A100", {"region": "eu"}, gpus=1)], BOTH)

    text = str(caught.value)
    assert "trial 0: 1 CPU, 1 GPU, an A100, 3 slot, region=eu\n" in text
    assert "a: 8 CPUs, 4 GPUs, 2 slot, A100, region=eu\n" in text
    assert "b: 4 CPUs, 1 GPU, region=us\n" in text
    assert "ray start --resources, --labels" in text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("resources_per_instance", [1], 'a dict such as {"slot": 1}, or None'),
        ("resources_per_instance", {"GPU": 1}, "'GPU', which is gpu_num_per_instance"),
        ("resources_per_instance", {"memory": 1}, "got 'memory', Ray's own"),
        ("resources_per_instance", {"slot": 0}, "a number of 'slot', at least 0.0001, got 0"),
        ("resources_per_instance", {"slot": True}, "got True"),
        ("resources_per_instance", {"slot": 1.5}, "only whole numbers above 1), got 1.5"),
        ("accelerator_type", 100, "got accelerator_type=100"),
        ("accelerator_type", "A 100", "got accelerator_type='A 100'"),
        ("label_selector", "eu", 'a dict such as {"region": "eu"}, or None'),
        ("label_selector", {"a b": "eu"}, "labels' names, got 'a b'"),
        (
            "label_selector",
            {"region": "in()"},
            "in(value, value) and !in(value, value), got 'in()'",
        ),
        ("label_selector", {"region": None}, "got None"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(name: str, value: object, expected: str) -> None:
    """The message names the setting, and what may stand there."""
    (fault,) = demand_faults({name: value})

    assert fault.startswith(f"{name}: expected ")
    assert re.search(re.escape(expected), fault)


def test_what_can_be_asked_for_is_not() -> None:
    """Labels may have a prefix, as Ray's own."""
    given = {
        "resources_per_instance": {"slot": 2, "lane": 0.25},
        "accelerator_type": "RTX-PRO-6000",
        "label_selector": {"ray.io/market-type": "!spot", "region": "in(eu, us)"},
    }

    assert demand_faults(given) == demand_faults({}) == []
