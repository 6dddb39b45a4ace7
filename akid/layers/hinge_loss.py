"""Hinge loss: a margin of one between labels of +1 and -1."""

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from akid.layers.inputs import same_shape
from akid.layers.loss import LossLayer
from akid.layers.options import BlockOptions


class HingeLossLayer(LossLayer):
    """The mean of `max(0, 1 - label * prediction)`.

    Args:
        tripod_hinge_loss: Whether there is a third label, 0, whose loss is `abs(prediction)`.
        signal_balancing: Whether labels of 0 and of ±1 are averaged by themselves first, so that
            both kinds count alike however many there are.
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[predictions, labels]` or `[predictions, labels, weights]`, of one shape; each loss
            is multiplied by its weight before the mean is taken.
        output: `()`.

    Raises:
        SetupError: When set up, if the inputs are not two or three tensors.
        ShapeError: When set up, if they differ in shape.

    >>> predictions, labels = torch.tensor([0.5, -2.0, 0.3]), torch.tensor([1.0, -1.0, 0.0])
    >>> HingeLossLayer(tripod_hinge_loss=True)([predictions, labels])
    tensor(0.2667)
    >>> balanced = HingeLossLayer(tripod_hinge_loss=True, signal_balancing=True)
    >>> balanced([predictions, labels])
    tensor(0.2750)
    """

    def __init__(
        self,
        *,
        tripod_hinge_loss: bool = False,
        signal_balancing: bool = False,
        multiplier: float = 1.0,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        self.tripod_hinge_loss = tripod_hinge_loss
        self.signal_balancing = signal_balancing

    def _setup(self, inputs: Any) -> None:
        same_shape(inputs, "predictions", "labels", "weights", who=self.label, optional=1)

    def _loss(self, *inputs: Tensor) -> Tensor:
        predictions, labels = inputs[:2]
        losses = functional.relu(1 - labels * predictions)
        absent = labels == 0
        if self.tripod_hinge_loss:
            losses = torch.where(absent, predictions.abs(), losses)
        if len(inputs) == 3:
            losses = losses * inputs[2]
        return _mean_of_kinds(losses, absent) if self.signal_balancing else losses.mean()


def _mean_of_kinds(losses: Tensor, absent: Tensor) -> Tensor:
    """Average the means of the two kinds; a kind that does not occur does not count."""
    counts = torch.stack([absent.sum(), (~absent).sum()])
    sums = torch.stack([(losses * absent).sum(), (losses * ~absent).sum()])
    return (sums / counts.clamp(min=1)).sum() / (counts > 0).sum()
