"""Instance numbers: the GPUs and CPUs of each trial, from an experiment's settings."""

import math
from collections.abc import Sequence
from typing import Any, Final

from akid.cluster.demand import NOTHING, Demand
from akid.cluster.resources import ClusterCapacity, ResourceRequest
from akid.errors import GridError

_PRECISION: Final = 1e-4  # Ray counts in ten-thousandths

AUTO: Final = "auto"
"""As a number of GPUs: as many trials on each GPU as were measured to fit."""

GpuNumbers = float | Sequence[float] | str | None


def requests_for(
    gpu_num_per_instance: GpuNumbers,
    cpu_num_per_instance: float,
    n_instances: int,
    capacity: ClusterCapacity,
    *,
    demand: Demand = NOTHING,
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
        demand: What each trial needs besides.
        extent: What the trials are made of, for the message: `3 repeats x 2 opts x 4 nets`.

    Raises:
        GridError: If a list has another length, or a number can't be asked for; all faults at once.

    >>> from akid.cluster.resources import Node
    >>> capacity = ClusterCapacity(nodes=(Node(cpus=4, gpus=1),))
    >>> [str(request) for request in requests_for(0.5, 1, 2, capacity)]
    ['1 CPU, 0.5 GPU', '1 CPU, 0.5 GPU']
    """
    if gpu_num_per_instance is None or gpu_num_per_instance == AUTO:
        has_gpus = any(node.gpus >= 1 and node.suits(demand) for node in capacity.nodes)
        gpu_num_per_instance = 1 if has_gpus else 0
    faults = number_faults(gpu_num_per_instance, cpu_num_per_instance)
    if isinstance(gpu_num_per_instance, list | tuple) and len(gpu_num_per_instance) != n_instances:
        faults.append(_wrong_length(len(gpu_num_per_instance), n_instances, extent))
    if faults:
        raise GridError("\n".join(faults))
    gpus = _each(gpu_num_per_instance, n_instances)
    cpus = float(cpu_num_per_instance)
    return [ResourceRequest(cpus=cpus, gpus=float(number), demand=demand) for number in gpus]


def number_faults(gpu_num_per_instance: object, cpu_num_per_instance: object) -> list[str]:
    """Return what is wrong with the numbers of GPUs and CPUs, apart from a list's length."""
    faults = []
    if isinstance(gpu_num_per_instance, list | tuple):
        for number, value in enumerate(gpu_num_per_instance):
            faults += _gpu_faults(f"gpu_num_per_instance[{number}]", value)
    elif gpu_num_per_instance is not None and gpu_num_per_instance != AUTO:
        faults += _gpu_faults("gpu_num_per_instance", gpu_num_per_instance)
    return faults + _cpu_faults("cpu_num_per_instance", cpu_num_per_instance)


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
