"""Margin ranking: a positive example shall score higher than a negative one, by a margin."""
# Shape legend: P = positives, Q = negatives, K = negatives of one positive.

from typing import Any, Unpack

from torch import Tensor
from torch.nn import functional

from akid.errors import ShapeError
from akid.layers.inputs import several
from akid.layers.loss import LossLayer
from akid.layers.options import BlockOptions


class MarginRankingLossLayer(LossLayer):
    """The mean of `max(0, margin - (positive - negative))`.

    Args:
        margin: How much higher a positive shall score.
        hard_sample_mining: Whether the mean is taken over the pairs only that violate the margin.
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[positives, negatives]` of scores: `(P,)` and `(Q,)` are compared each with each;
            other shapes `(...)` pair by pair with `(...)`, or with `(..., K)`, each with its K.
        output: `()`.

    Raises:
        SetupError: When set up, if the inputs are not two tensors.
        ShapeError: When set up, if their shapes do not fit.

    >>> import torch
    >>> MarginRankingLossLayer(margin=1.0)([torch.tensor([2.0]), torch.tensor([0.0, 1.5])])
    tensor(0.2500)
    """

    def __init__(
        self,
        margin: float,
        *,
        hard_sample_mining: bool = False,
        multiplier: float = 1.0,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        self.margin = margin
        self.hard_sample_mining = hard_sample_mining

    def _setup(self, inputs: Any) -> None:
        positives, negatives = several(inputs, "positives", "negatives", who=self.label)
        shapes = tuple(positives.shape), tuple(negatives.shape)
        if len(shapes[0]) == len(shapes[1]) == 1 or shapes[0] in (shapes[1], shapes[1][:-1]):
            return
        raise ShapeError(
            f"{self.label}: expected positives (P,) and negatives (Q,), or negatives of the"
            f" positives' shape with or without one more dimension, got shapes {shapes[0]} and"
            f" {shapes[1]}."
        )

    def _loss(self, *inputs: Tensor) -> Tensor:
        positives, negatives = inputs
        if positives.dim() == 1 or negatives.dim() > positives.dim():
            positives = positives.unsqueeze(-1)
        losses = functional.relu(self.margin - (positives - negatives))
        if self.hard_sample_mining:
            return losses.sum() / (losses > 0).sum().clamp(min=1)
        return losses.mean()
