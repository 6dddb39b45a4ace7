"""Binary cross entropy: a yes or no for each label by itself."""

from typing import Any

from torch import Tensor
from torch.nn import functional

from akid.layers.inputs import same_shape, several
from akid.layers.loss import LossLayer


class BCELossLayer(LossLayer):
    """The mean binary cross entropy of logits, which are not yet put through a sigmoid.

    Args:
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[logits, labels]` of one shape, labels from 0 to 1; or `[logits, labels,
            pos_weight]`, where the last, broadcast, multiplies the loss of positive labels.
        output: `()`.

    Raises:
        SetupError: When set up, if the inputs are not two or three tensors.
        ShapeError: When set up, if logits and labels differ in shape.

    >>> import torch
    >>> BCELossLayer()([torch.zeros(2, 3), torch.ones(2, 3)])
    tensor(0.6931)
    """

    def _setup(self, inputs: Any) -> None:
        tensors = several(inputs, "logits", "labels", "pos_weight", who=self.label, optional=1)
        same_shape(tensors[:2], "logits", "labels", who=self.label)

    def _loss(self, *inputs: Tensor) -> Tensor:
        logits, labels = inputs[:2]
        if labels.dtype != logits.dtype:
            labels = labels.to(logits.dtype)
        pos_weight = inputs[2] if len(inputs) == 3 else None
        return functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=pos_weight)
