"""Regularisers: penalties on weights, as a term of the loss or as a gradient in closed form."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor

from akid.errors import SetupError


@dataclass(frozen=True, kw_only=True)
class Regularizer(ABC):
    """A penalty that pulls weights towards zero; equal ones compare equal, to group by.

    Args:
        scale: The strength, 0 or more.
    """

    scale: float

    @abstractmethod
    def penalty(self, weights: Tensor) -> Tensor:
        """Return the penalty as a scalar that is part of the autograd graph."""

    @abstractmethod
    def add_gradients_(self, weights: Sequence[Tensor]) -> None:
        """Add the penalty's gradient to `.grad` of each tensor, all in one go."""

    def add_gradient_(self, weights: Tensor) -> None:
        """Add the penalty's gradient to `weights.grad`, which is made if there is none yet."""
        self.add_gradients_([weights])


@final
class L2(Regularizer):
    """`scale / 2` times the sum of squares ("weight decay").

    >>> L2(scale=0.5).penalty(torch.tensor([1.0, 2.0]))
    tensor(1.2500)
    """

    def penalty(self, weights: Tensor) -> Tensor:
        return weights.square().sum() * (self.scale / 2)

    @torch.no_grad()
    def add_gradients_(self, weights: Sequence[Tensor]) -> None:
        gradients = _gradients(weights)
        if gradients:
            torch._foreach_add_(gradients, list(weights), alpha=self.scale)


@final
class L1(Regularizer):
    """`scale` times the sum of absolute values; its gradient at zero is zero.

    >>> L1(scale=0.5).penalty(torch.tensor([1.0, -2.0]))
    tensor(1.5000)
    """

    def penalty(self, weights: Tensor) -> Tensor:
        return weights.abs().sum() * self.scale

    @torch.no_grad()
    def add_gradients_(self, weights: Sequence[Tensor]) -> None:
        gradients = _gradients(weights)
        if gradients:
            signs = torch._foreach_sign(list(weights))  # noqa: SLF001
            torch._foreach_add_(gradients, signs, alpha=self.scale)


def _gradients(weights: Sequence[Tensor]) -> list[Tensor]:
    for tensor in weights:
        if tensor.grad is None:
            tensor.grad = torch.zeros_like(tensor)
    return [tensor.grad for tensor in weights if tensor.grad is not None]


REGULARIZERS: Final[Mapping[str, type[Regularizer]]] = {"l1": L1, "l2": L2}


def from_description(
    description: Mapping[str, Any] | Regularizer | None, *, who: str
) -> Regularizer | None:
    """Return the regulariser that `{"type": "l1" | "l2", "scale": s}` describes; None gives None.

    Args:
        description: The description, or a regulariser, which is returned as it is.
        who: The block's label, for the message.

    Raises:
        SetupError: If the type or a field is unknown, or the scale is no number of 0 or more.

    >>> from_description({"type": "l2", "scale": 5e-4}, who="conv1")
    L2(scale=0.0005)
    """
    if description is None or isinstance(description, Regularizer):
        return description
    known = sorted(REGULARIZERS)
    if not isinstance(description, Mapping) or set(description) != {"type", "scale"}:
        raise SetupError(
            f'{who}: expected a regulariser as {{"type": one of {known}, "scale": number}} or None,'
            f" got wd={description!r}."
        )
    kind, scale = description["type"], description["scale"]
    if kind not in REGULARIZERS:
        raise SetupError(
            f"{who}: expected a regulariser's type to be one of {known}, got type={kind!r}."
        )
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not scale >= 0:
        raise SetupError(
            f"{who}: expected a regulariser's scale of 0 or more, got scale={scale!r}."
        )
    return REGULARIZERS[kind](scale=float(scale))
