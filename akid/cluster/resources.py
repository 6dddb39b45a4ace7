"""Resources: what a trial needs, what a cluster has, and whether one ever fits into the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from akid.errors import GridError, ResourceError

_PRECISION: Final = 1e-4  # Ray counts in ten-thousandths

AUTO: Final = "auto"
"""As a number of GPUs: as many trials on each GPU as were measured to fit."""

GpuNumbers = float | Sequence[float] | str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRequest:
    """What one trial needs.

    Attributes:
        cpus: CPUs; at least `0.0001`, below 1 a share. Of a gang, for each worker.
        gpus: GPUs; 0 for none, below 1 a share of one, otherwise a whole number. Of a gang, for
            each worker.
        workers: How many workers practise together, a gang; 0 for a trial that practises in its
            own process.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    workers: int = 0

    @property
    def threads(self) -> int:
        """How many threads a trial with these CPUs computes with: at least 1."""
        return max(1, math.floor(self.cpus))

    @property
    def bundles(self) -> list[dict[str, float]]:
        """The bundles of the trial's placement group; the first is that of the trial's process.

        >>> ResourceRequest(cpus=2, gpus=0.5).bundles
        [{'CPU': 2, 'GPU': 0.5}]
        >>> ResourceRequest(workers=2).bundles
        [{}, {'CPU': 1.0}, {'CPU': 1.0}]
        """
        bundle = {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}
        return [{}, *[bundle] * self.workers] if self.workers else [bundle]

    def __str__(self) -> str:
        each = f"{_amount(self.cpus, 'CPU')}, {_amount(self.gpus, 'GPU')}"
        return f"{self.workers} x ({each})" if self.workers else each


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One machine of a cluster."""

    cpus: float
    gpus: float = 0.0
    name: str = ""

    def holds(self, request: ResourceRequest) -> bool:
        """Whether the request fits on this machine when nothing else runs on it."""
        return (
            request.cpus <= self.cpus + _PRECISION / 2
            and request.gpus <= self.gpus + _PRECISION / 2
        )

    def __str__(self) -> str:
        return f"{self.name or 'node'}: {_amount(self.cpus, 'CPU')}, {_amount(self.gpus, 'GPU')}"


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

    def holds(self, request: ResourceRequest) -> bool:
        """Whether some machine can ever run a trial that needs `request`, or some a gang."""
        if request.workers:
            return self._bundles(request) >= request.workers
        return any(node.holds(request) for node in self.nodes)

    def _bundles(self, request: ResourceRequest) -> int:
        return sum(_slots(node, request) for node in self.nodes)

    def slots(self, request: ResourceRequest) -> int:
        """How many trials that need `request` run at once when the cluster is free.

        >>> ClusterCapacity(nodes=(Node(cpus=8, gpus=1),)).slots(ResourceRequest(cpus=1, gpus=0.25))
        4
        """
        return self._bundles(request) // max(1, request.workers)

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
        return replace(request, cpus=max((node.cpus for node in self.nodes), default=request.cpus))

    def __str__(self) -> str:
        return "; ".join(str(node) for node in self.nodes) or "no node"


def requests_for(
    gpu_num_per_instance: GpuNumbers,
    cpu_num_per_instance: float,
    n_instances: int,
    capacity: ClusterCapacity,
    *,
    extent: str = "",
) -> list[ResourceRequest]:
    """Return what each trial needs, in the documented order of the trials.

    Args:
        gpu_num_per_instance: GPUs of each trial: one number for all, or a list with one number per
            trial. 0 is the CPU, a number below 1 a share of one GPU. None gives one GPU each where
            the cluster has any, else none; so does "auto", until the nets have been measured.
        cpu_num_per_instance: CPUs of each trial.
        n_instances: How many trials there are.
        capacity: The cluster.
        extent: What the trials are made of, for the message: `3 repeats x 2 opts x 4 nets`.

    Raises:
        GridError: If a list has another length, or a number can't be asked for; all faults at once.

    >>> capacity = ClusterCapacity(nodes=(Node(cpus=4, gpus=1),))
    >>> [str(request) for request in requests_for(0.5, 1, 2, capacity)]
    ['1 CPU, 0.5 GPU', '1 CPU, 0.5 GPU']
    """
    if gpu_num_per_instance is None or gpu_num_per_instance == AUTO:
        gpu_num_per_instance = 1 if capacity.gpus >= 1 else 0
    faults = resource_faults(gpu_num_per_instance, cpu_num_per_instance)
    if isinstance(gpu_num_per_instance, list | tuple) and len(gpu_num_per_instance) != n_instances:
        faults.append(_wrong_length(len(gpu_num_per_instance), n_instances, extent))
    if faults:
        raise GridError("\n".join(faults))
    gpus = _each(gpu_num_per_instance, n_instances)
    return [ResourceRequest(cpus=float(cpu_num_per_instance), gpus=float(num)) for num in gpus]


def resource_faults(gpu_num_per_instance: object, cpu_num_per_instance: object) -> list[str]:
    """Return what is wrong with the numbers of GPUs and CPUs, apart from a list's length."""
    faults = []
    if isinstance(gpu_num_per_instance, list | tuple):
        for number, value in enumerate(gpu_num_per_instance):
            faults += _gpu_faults(f"gpu_num_per_instance[{number}]", value)
    elif gpu_num_per_instance is not None and gpu_num_per_instance != AUTO:
        faults += _gpu_faults("gpu_num_per_instance", gpu_num_per_instance)
    return faults + _cpu_faults("cpu_num_per_instance", cpu_num_per_instance)


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
        " of a gang on one.\n"
        f"Needed by each trial:\n{needs}\nThe cluster's nodes:\n{nodes}\n"
        "Lower gpu_num_per_instance (--gpus-per-trial; 0 runs on the CPU) or cpu_num_per_instance,"
        " or add a node that is large enough."
    )


def _slots(node: Node, request: ResourceRequest) -> int:
    if not node.holds(request):
        return 0
    by_cpu = math.floor(node.cpus / request.cpus + _PRECISION)
    if request.gpus <= 0:
        return by_cpu
    if request.gpus < 1:  # shares of one trial lie on one GPU
        return min(by_cpu, math.floor(1 / request.gpus + _PRECISION) * math.floor(node.gpus))
    return min(by_cpu, math.floor(node.gpus / request.gpus + _PRECISION))


def _each(gpus: Any, n_instances: int) -> list[float]:
    return list(gpus) if isinstance(gpus, list | tuple) else [gpus] * n_instances


def _gpu_faults(name: str, value: Any) -> list[str]:
    if not _is_number(value):
        return [f"{name}: expected a number of GPUs, got {name}={value!r}."]
    if value < 0 or 0 < value < _PRECISION:
        return [
            f"{name}: expected 0 (the CPU) or at least {_PRECISION} GPUs, got {name}={value!r}."
        ]
    if value > 1 and value != int(value):
        return [
            (
                f"{name}: expected a share below 1 or a whole number of GPUs (Ray takes only whole"
                f" numbers above 1), got {name}={value!r}."
                f" Use {math.floor(value)} or {math.ceil(value)}."
            )
        ]
    return []


def _cpu_faults(name: str, value: Any) -> list[str]:
    if _is_number(value) and value >= _PRECISION:
        return []
    return [f"{name}: expected a number of CPUs, at least {_PRECISION}, got {name}={value!r}."]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong_length(found: int, wanted: int, extent: str) -> str:
    count = f" ({extent})" if extent else ""
    return (
        f"gpu_num_per_instance: expected one number for all trials, or a list of {wanted}"
        f" numbers{count}, got a list of {found}."
        " The order is repeats, then opts, then nets, nets fastest."
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:g} {unit}" + ("" if 0 < value <= 1 else "s")


def _trials(indices: Sequence[int], shown: int = 5) -> str:
    listed = ", ".join(str(index) for index in indices[:shown])
    more = f" and {len(indices) - shown} more" if len(indices) > shown else ""
    return f"trial{'s' if len(indices) > 1 else ''} {listed}{more}"
