"""Optimisers: torch's own, in the fastest form, without what loads torch's compiler.

torch wraps methods of its optimisers to keep its compiler out of them, and to do so loads the
compiler: a second of processor time and 800 modules in each process that trains, though nothing
is compiled (`torch.optim.optimizer`, `torch._compile`). A step computes the same without.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.optim import Optimizer

from akid.training import parameter_groups

_WRAPPED: Final = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def make(
    kind: type[Optimizer], groups: list[dict[str, Any]], arguments: Mapping[str, Any]
) -> Optimizer:
    """Return an optimiser of torch's for some parameter groups.

    Args:
        kind: A class of `torch.optim`.
        groups: The parameter groups, as torch has them.
        arguments: What the class takes besides; they win over what is fastest.

    >>> weight = torch.zeros(2, requires_grad=True)
    >>> optimizer = make(torch.optim.SGD, [{"params": [weight]}], {"momentum": 0.9})
    >>> isinstance(optimizer, torch.optim.SGD)
    True
    """
    fastest = parameter_groups.fastest(kind, groups)
    hashable: Any = kind  # mypy takes the hash of an optimiser for that of its class
    made: Optimizer = _eager(hashable)(groups, **{**fastest, **arguments})
    return made


@functools.cache
def _eager(kind: type[Optimizer]) -> Any:
    """Return the class with the methods that torch has wrapped."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _WRAPPED}
    methods |= {"step": _step_of(kind), "__reduce__": _reduce, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), methods)


def _step_of(kind: type[Optimizer]) -> Callable[..., Any]:
    step: Callable[..., Any] = inspect.unwrap(kind.step)

    @functools.wraps(step)
    def run(optimizer: Optimizer, *arguments: Any, **options: Any) -> Any:
        with torch.set_grad_enabled(optimizer.defaults.get("differentiable", False)):
            return step(optimizer, *arguments, **options)

    return run


def _reduce(optimizer: Optimizer) -> tuple[Any, ...]:
    """Let copies and pickles name torch's class: this one has no name of its own."""
    return _empty, (type(optimizer).__base__,), optimizer.__getstate__()


def _empty(kind: Any) -> Optimizer:
    eager: type[Optimizer] = _eager(kind)
    return eager.__new__(eager)
