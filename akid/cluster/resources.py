"""Resources: what a trial needs, what a cluster has, and whether one ever fits into the other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from akid.cluster.demand import ACCELERATOR, NOTHING, RAYS_OWN, Demand
from akid.errors import ResourceError

_PRECISION: Final = 1e-4  # Ray counts in ten-thousandths
_RAYS_LABELS: Final = ("ray.io/node-id", "ray.io/accelerator-type")  # the resources say the latter


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRequest:
    """What one trial needs.

    Attributes:
        cpus: CPUs; at least `0.0001`, below 1 a share. Of a gang, for each worker.
        gpus: GPUs; 0 for none, below 1 a share of one, otherwise a whole number. Of a gang, for
            each worker.
        workers: How many workers practise together, a gang; 0 for a trial that practises in its
            own process.
        most_workers: Of an elastic gang, how many workers it takes where there is room for them,
            `workers` being the least; 0 for a gang that takes `workers`.
        demand: What its node has to have besides. Of a gang, each worker's node.
        together: Whether all workers of a gang have to lie on one machine.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    workers: int = 0
    most_workers: int = 0
    demand: Demand = NOTHING
    together: bool = False

    @property
    def threads(self) -> int:
        """How many threads a trial with these CPUs computes with: at least 1."""
        return max(1, math.floor(self.cpus))

    def with_workers(self, number: int) -> "ResourceRequest":
        """Return what a gang of that number needs.

        >>> str(ResourceRequest(workers=1, most_workers=4).with_workers(2))
        '2 x (1 CPU, 0 GPUs)'
        """
        return replace(self, workers=number, most_workers=0)

    @property
    def bundles(self) -> list[dict[str, float]]:
        """The bundles of the trial's placement group; the first is that of the trial's process.

        >>> ResourceRequest(cpus=2, gpus=0.5).bundles
        [{'CPU': 2, 'GPU': 0.5}]
        >>> ResourceRequest(workers=2).bundles
        [{}, {'CPU': 1.0}, {'CPU': 1.0}]
        """
        bundle = {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}
        bundle |= self.demand.resources
        return [{}, *[bundle] * self.workers] if self.workers else [bundle]

    @property
    def label_selectors(self) -> list[dict[str, str]] | None:
        """For each bundle that is not empty, what its node's labels have to be; None for all.

        >>> ResourceRequest(workers=2, demand=Demand(labels=(("zone", "!a"),))).label_selectors
        [{'zone': '!a'}, {'zone': '!a'}]
        """
        return [dict(self.demand.labels)] * max(1, self.workers) if self.demand.labels else None

    def __str__(self) -> str:
        each = f"{_amount(self.cpus, 'CPU')}, {_amount(self.gpus, 'GPU')}"
        each += f", {self.demand}" if self.demand != NOTHING else ""
        most = f" to {self.most_workers}" if self.most_workers else ""
        return f"{self.workers}{most} x ({each})" if self.workers else each


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One machine of a cluster.

    Attributes:
        cpus: Its CPUs.
        gpus: Its GPUs.
        name: What it is called.
        resources: What it has besides, by Ray's names; of each model of GPU 1.
        labels: Its labels.
    """

    cpus: float
    gpus: float = 0.0
    name: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def holds(self, request: ResourceRequest) -> bool:
        """Whether the request fits on this machine when nothing else runs on it."""
        return (
            request.cpus <= self.cpus + _PRECISION / 2
            and request.gpus <= self.gpus + _PRECISION / 2
            and self.suits(request.demand)
        )

    def suits(self, demand: Demand) -> bool:
        """Whether this machine has what is asked for besides CPUs and GPUs."""
        return demand.times(self.resources) >= 1 and demand.suits(self.labels)

    def __str__(self) -> str:
        besides = [_besides(*each) for each in self.resources.items() if _is_told(each[0])]
        labels = [f"{k}={v}" for k, v in self.labels.items() if not k.startswith(_RAYS_LABELS)]
        has = [_amount(self.cpus, "CPU"), _amount(self.gpus, "GPU"), *besides, *labels]
        return f"{self.name or 'node'}: {', '.join(has)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterCapacity:
    """All machines of a cluster, whether busy or not."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        """The CPUs of all machines."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """The GPUs of all machines."""
        return sum(node.gpus for node in self.nodes)

    def amount(self, resource: str) -> float:
        """Return how much all machines have of a resource besides CPUs and GPUs."""
        return sum(node.resources.get(resource, 0.0) for node in self.nodes)

    def meant_by(self, demand: Demand) -> "ClusterCapacity":
        """Return the machines whose labels are those that are asked for."""
        return ClusterCapacity(nodes=tuple(n for n in self.nodes if demand.suits(n.labels)))

    def holds(self, request: ResourceRequest) -> bool:
        """Whether some machine can ever run a trial that needs `request`, or some a gang."""
        if request.workers:
            return self.slots(request) >= 1
        return any(node.holds(request) for node in self.nodes)

    def slots(self, request: ResourceRequest) -> int:
        """How many trials that need `request` run at once when the cluster is free.

        >>> ClusterCapacity(nodes=(Node(cpus=8, gpus=1),)).slots(ResourceRequest(cpus=1, gpus=0.25))
        4
        """
        workers = max(1, request.workers)
        bundles = [_slots(node, request) for node in self.nodes]
        if request.together:
            return sum(n // workers for n in bundles)
        return sum(bundles) // workers

    def alone(self, request: ResourceRequest) -> ResourceRequest:
        """Return the request that gives a trial more memory: a whole GPU, or the largest machine.

        A gang on CPUs gets no more, as its workers may lie on one machine.

        >>> capacity = ClusterCapacity(nodes=(Node(cpus=8, gpus=1), Node(cpus=2)))
        >>> capacity.alone(ResourceRequest(cpus=1, gpus=0.25)).gpus
        1.0
        >>> capacity.alone(ResourceRequest()).cpus
        8
        """
        if request.gpus > 0:
            return replace(request, gpus=max(1.0, request.gpus))
        if request.workers:
            return request
        able = (node.cpus for node in self.nodes if node.suits(request.demand))
        return replace(request, cpus=max(able, default=request.cpus))

    def __str__(self) -> str:
        return "; ".join(str(node) for node in self.nodes) or "no node"


def check_feasible(requests: Sequence[ResourceRequest], capacity: ClusterCapacity) -> None:
    """Refuse what the cluster can never run, however long a trial waits.

    A trial runs on one machine, so its need has to fit on a single one; a gang's workers may lie
    on several.

    Raises:
        ResourceError: Naming the trials, their need and the cluster's machines.

    >>> check_feasible([ResourceRequest(gpus=1)], ClusterCapacity(nodes=(Node(cpus=4, gpus=2),)))
    """
    impossible: dict[ResourceRequest, list[int]] = {}
    for index, request in enumerate(requests):
        if not capacity.holds(request):
            impossible.setdefault(request, []).append(index)
    if not impossible:
        return
    needs = "\n".join(f"  {_trials(found)}: {need}" for need, found in impossible.items())
    nodes = "\n".join(f"  {node}" for node in capacity.nodes) or "  no node"
    raise ResourceError(
        "The cluster never has what these trials need; a trial runs on one node, each worker"
        " of a gang on one; with an object store as --work-dir all of them on one together.\n"
        f"Needed by each trial:\n{needs}\nThe cluster's nodes:\n{nodes}\n"
        "Lower gpu_num_per_instance (--gpus-per-trial; 0 runs on the CPU) or cpu_num_per_instance,"
        " or add a node that is large enough."
        f"{_besides_advice(impossible)}"
    )


def _slots(node: Node, request: ResourceRequest) -> int:
    if not node.holds(request):
        return 0
    by_cpu = math.floor(node.cpus / request.cpus + _PRECISION)
    by_rest = int(min(by_cpu, request.demand.times(node.resources)))
    if request.gpus <= 0:
        return by_rest
    if request.gpus < 1:  # shares of one trial lie on one GPU
        return min(by_rest, math.floor(1 / request.gpus + _PRECISION) * math.floor(node.gpus))
    return min(by_rest, math.floor(node.gpus / request.gpus + _PRECISION))


def _is_told(resource: str) -> bool:
    return resource not in RAYS_OWN and not resource.startswith("node:")


def _besides(resource: str, number: float) -> str:
    if resource.startswith(ACCELERATOR):
        return resource.removeprefix(ACCELERATOR)
    return f"{number:g} {resource}"


def _besides_advice(requests: Iterable[ResourceRequest]) -> str:
    if all(request.demand == NOTHING for request in requests):
        return ""
    return (
        " resources_per_instance, accelerator_type and label_selector ask for what a node was"
        " started with (ray start --resources, --labels)."
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:g} {unit}" + ("" if 0 < value <= 1 else "s")


def _trials(indices: Sequence[int], shown: int = 5) -> str:
    listed = ", ".join(str(index) for index in indices[:shown])
    more = f" and {len(indices) - shown} more" if len(indices) > shown else ""
    return f"trial{'s' if len(indices) > 1 else ''} {listed}{more}"
