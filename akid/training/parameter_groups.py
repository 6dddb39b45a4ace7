"""Parameter groups: which parameters an optimiser updates, and by which factor of the rate."""

import inspect
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from akid.core.brain import Brain
from akid.core.regularizers import L2
from akid.errors import SetupError


def split(
    brain: nn.Module,
    lr_factors: Mapping[str, float],
    *,
    who: str,
    weight_decays: Mapping[Tensor, float] | None = None,
) -> list[dict[str, Any]]:
    """Return the brain's trainable parameters as an optimiser's groups, one a factor and decay.

    Args:
        brain: What holds the parameters.
        lr_factors: Factors by block name, parameter name or pattern; the first that matches counts.
        who: The KongFu, for messages.
        weight_decays: What of itself the optimiser adds to a parameter's gradient; None says
            nothing about it.

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
    groups: dict[tuple[float, float | None], list[Tensor]] = {}
    for name, tensor in trainable.items():
        factors = (factor for key, factor in lr_factors.items() if _matches(name, key))
        decay = None if weight_decays is None else weight_decays.get(tensor, 0.0)
        groups.setdefault((next(factors, 1.0), decay), []).append(tensor)
    return [
        {"params": tensors, "lr_factor": factor}
        | ({} if decay is None else {"weight_decay": decay})
        for (factor, decay), tensors in groups.items()
    ]


def l2_scales(brain: nn.Module) -> dict[Tensor, float] | None:
    """Return the l2 scale of each regularised parameter; None if there is another regulariser."""
    if not isinstance(brain, Brain):
        return None
    terms = list(brain.regularized_terms())
    scales = {tensor: regularizer.scale for regularizer, tensor in terms}
    is_all_l2 = all(isinstance(regularizer, L2) for regularizer, _ in terms)
    return scales if is_all_l2 and len(scales) == len(terms) else None


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
