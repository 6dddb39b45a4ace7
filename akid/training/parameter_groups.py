"""Parameter groups: which parameters an optimiser updates, and by which factor of the rate."""

import inspect
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from akid.errors import SetupError


def split(brain: nn.Module, lr_factors: Mapping[str, float], *, who: str) -> list[dict[str, Any]]:
    """Return the brain's trainable parameters as an optimiser's groups, one a factor.

    Args:
        brain: What holds the parameters.
        lr_factors: Factors by block name, parameter name or pattern; the first that matches counts.
        who: The KongFu, for messages.

    Raises:
        SetupError: If nothing is trainable, a factor is negative, or a name matches nothing.
    """
    named = {path(name): tensor for name, tensor in brain.named_parameters()}
    trainable = {name: tensor for name, tensor in named.items() if tensor.requires_grad}
    if not trainable:
        raise SetupError(
            f"{who}: expected a brain with trainable parameters, got {sorted(named) or 'none'}."
            " Set the brain up first."
        )
    _check(lr_factors, trainable, who=who)
    groups: dict[float, list[Tensor]] = {}
    for name, tensor in trainable.items():
        factors = (factor for key, factor in lr_factors.items() if _matches(name, key))
        groups.setdefault(next(factors, 1.0), []).append(tensor)
    return [{"params": tensors, "lr_factor": factor} for factor, tensors in groups.items()]


def path(name: str) -> str:
    """Return the name that people use for a parameter that torch calls `name`.

    >>> path("blocks.unit1.blocks.conv1.weights")
    'unit1/conv1/weights'
    """
    return "/".join(part for part in name.split(".") if part != "blocks")


def fastest(optimizer: type[Optimizer], groups: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Return the argument that makes a torch optimiser update all parameters in one kernel.

    Fused where the optimiser can and the device is one that it knows; torch chooses otherwise.
    """
    tensors = [tensor for group in groups for tensor in group["params"]]
    can_fuse = "fused" in inspect.signature(optimizer).parameters
    fits = all(t.is_floating_point() and t.device.type in {"cpu", "cuda"} for t in tensors)
    return {"fused": True} if can_fuse and fits else {}


def _check(lr_factors: Mapping[str, float], named: Mapping[str, Tensor], *, who: str) -> None:
    for key, factor in lr_factors.items():
        if not factor >= 0:
            raise SetupError(
                f"{who}: expected a factor from 0, got lr_factors[{key!r}]={factor!r}."
            )
        if not any(_matches(name, key) for name in named):
            raise SetupError(
                f"{who}: expected lr_factors by names among {', '.join(named)}, of blocks in them,"
                f" or patterns, got {key!r}."
            )


def _matches(name: str, key: str) -> bool:
    return fnmatchcase(name, key) or fnmatchcase(name, f"{key}/*")
