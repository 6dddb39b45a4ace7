"""Regularisation losses: penalties on signals or variables, as blocks of a graph."""
# Shape legend: N = batch, D = features.

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.errors import SetupError, ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.loss import LossLayer
from akid.layers.options import BlockOptions


class KLRegularizationLayer(LossLayer):
    """Pull the spread of each row to a wanted one, by the divergence of two normal laws.

    The Kullback-Leibler divergence `log(std / s) + (s / std)² / 2 - 1/2`, where s is the row's
    standard deviation, averaged over the rows; with a `mean`, `((m - mean) / std)² / 2` is added,
    where m is the row's mean.

    Args:
        mean: The wanted mean; None leaves the mean free.
        std: The wanted standard deviation.
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `(N, D)`, D at least 2.
        output: `()`.

    Raises:
        SetupError: If `std` is not above 0; when set up, if the input is no tensor.
        ShapeError: When set up, if the input has another shape.

    >>> KLRegularizationLayer(std=1.0)(torch.tensor([[-1.0, 0.0, 1.0]]))
    tensor(0.)
    """

    takes_list: ClassVar[bool] = False

    def __init__(
        self,
        *,
        mean: float | None = None,
        std: float = 1.0,
        multiplier: float = 1.0,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        if not std > 0:
            raise SetupError(f"{self.label}: expected std above 0, got {std=!r}.")
        self.mean = mean
        self.std = std

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if x.dim() != 2 or x.shape[1] < 2:
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, D) with D of 2 or more,"
                f" got shape {tuple(x.shape)}."
            )

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward([inputs])

    def _loss(self, *inputs: Tensor) -> Tensor:
        spread = inputs[0].std(1) / self.std
        losses = spread.square() / 2 - spread.log() - 0.5
        if self.mean is not None:
            losses = losses + ((inputs[0].mean(1) - self.mean) / self.std).square() / 2
        return losses.mean()


class WeightDecayLayer(LossLayer):
    """The sum of the squares of all its inputs, times the multiplier, once.

    Args:
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: a list of tensors of any shapes, or one.
        output: `()`.

    >>> WeightDecayLayer(multiplier=0.5)([torch.ones(2), torch.ones(2, 3)])
    tensor(4.)
    """

    NAME: ClassVar[str] = "wd"

    def forward(self, inputs: list[Tensor] | Tensor) -> Tensor:
        return super().forward([inputs] if isinstance(inputs, Tensor) else inputs)

    def _loss(self, *inputs: Tensor) -> Tensor:
        return torch.stack([variable.square().sum() for variable in inputs]).sum()
