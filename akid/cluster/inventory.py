"""Inventory: the GPUs of each machine, who uses them, and how much of them Ray has given away."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from akid.cluster import nvml
from akid.cluster.gpus import Gpu

_ANSWER_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInventory:
    """What one machine has.

    Attributes:
        name: Its host name, or its address in the cluster.
        gpus: Its GPUs, or why it has none.
        logical: The GPUs that Ray counts there; None without a cluster.
        taken: How many of those Ray has given to trials and to others; None without a cluster.
    """

    name: str
    gpus: list[Gpu] | str
    logical: float | None = None
    taken: float | None = None


def of_this_machine() -> NodeInventory:
    """Return what this machine has; no cluster is needed."""
    return NodeInventory(name=platform.node(), gpus=nvml.survey())


def of_cluster() -> list[NodeInventory]:
    """Return what each machine of the connected cluster has.

    A machine that gives no answer within 30 s is listed with that as its reason.
    """
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = {node["NodeID"]: _ask(node["NodeID"]) for node in alive}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWER_TIMEOUT_S)
    used = _used_gpus()
    return [
        NodeInventory(
            name=node["NodeManagerHostname"],
            gpus=_answer(asked[node["NodeID"]]),
            logical=node["Resources"].get("GPU", 0.0),
            taken=used.get(node["NodeID"], 0.0),
        )
        for node in alive
    ]


def _ask(node_id: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    survey = ray.remote(num_cpus=0, max_retries=0)(nvml.survey)
    return survey.options(scheduling_strategy=there).remote()


def _answer(asked: Any) -> list[Gpu] | str:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        found: list[Gpu] | str = ray.get(asked, timeout=0.1)
    except GetTimeoutError:
        ray.cancel(asked)
        return f"it gave no answer within {_ANSWER_TIMEOUT_S:g} s"
    except RayError as error:
        first_line = str(error).strip().partition("\n")[0]
        return f"it can't be asked: {type(error).__name__}: {first_line}"
    return found


def _used_gpus() -> Mapping[str, float]:
    """Return the GPUs that Ray has given away on each node, by the node's id."""
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    nodes = [*status.active_nodes, *status.idle_nodes]
    return {
        node.node_id: sum(u.used for u in node.resource_usage.usage if u.resource_name == "GPU")
        for node in nodes
        if node.node_id is not None and node.resource_usage is not None
    }
