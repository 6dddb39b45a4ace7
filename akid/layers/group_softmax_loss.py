"""Group softmax loss: labels in groups, in each of which one channel is active or none."""
# Shape legend: N = batch, C = channels, G = groups, g = channels of a group.

from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor

from akid.errors import SetupError, ShapeError
from akid.layers.group_softmax import GROUND_STATE
from akid.layers.inputs import channels_in_groups, several
from akid.layers.loss import LossLayer
from akid.layers.metric import mean_of
from akid.layers.options import BlockOptions


class GroupSoftmaxWithLossLayer(LossLayer):
    """Group softmax and the mean cross entropy of the groups; its metric is "accuracy".

    Each group competes with its ground state, a constant value of 1, as in `GroupSoftmaxLayer`; a
    sample's vector says for each group which channel is active, or, in one slot more, that none is.
    The class of a sample is the channel with the largest value, over all groups.

    Args:
        class_num: How many classes there are; the first channels are theirs.
        group_size: How many channels make a group.
        augment_label: Whether there are channels of augmented labels after those of the classes;
            then the metrics are "accuracy", among the classes, and "all_label_accuracy".
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[logits, labels, vectors]` of `(N, C)`, `(N,)` and `(N, G * (g + 1))`.
        output: `()`.

    Raises:
        SetupError: If `class_num` is below 1, or the inputs are not three tensors.
        ShapeError: When set up, if their shapes do not fit.

    >>> loss = GroupSoftmaxWithLossLayer(class_num=4, group_size=2)
    >>> vectors = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    >>> loss([torch.ones(1, 4), torch.tensor([0]), vectors])
    tensor(1.0986)
    """

    def __init__(
        self,
        *,
        class_num: int,
        group_size: int,
        augment_label: bool = False,
        multiplier: float = 1.0,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        if class_num < 1:
            raise SetupError(f"{self.label}: expected class_num of 1 or more, got {class_num=!r}.")
        self.class_num = class_num
        self.group_size = group_size
        self.augment_label = augment_label

    def _setup(self, inputs: Any) -> None:
        logits, labels, vectors = several(inputs, "logits", "labels", "vectors", who=self.label)
        channels_in_groups(logits, self.group_size, who=self.label)
        size, channels = logits.shape[0], logits.shape[1]
        slots = channels // self.group_size * (self.group_size + 1)
        fits = channels > self.class_num if self.augment_label else channels == self.class_num
        shapes = [tuple(tensor.shape) for tensor in (logits, labels, vectors)]
        if not fits or shapes != [(size, channels), (size,), (size, slots)]:
            more = "more than " if self.augment_label else ""
            raise ShapeError(
                f"{self.label}: expected logits (N, C) with C {more}class_num={self.class_num!r},"
                f" labels (N,) and vectors (N, {slots}), got shapes {shapes}."
            )

    def _loss(self, *inputs: Tensor) -> Tensor:
        logits, _, vectors = inputs
        groups = torch.unflatten(logits, 1, (-1, self.group_size))
        ground = torch.full_like(groups[..., :1], GROUND_STATE)
        shares = torch.log_softmax(torch.cat([groups, ground], 2), 2)
        wanted = torch.unflatten(vectors, 1, (-1, self.group_size + 1)).to(shares.dtype)
        return -(wanted * shares).sum(2).mean()

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        logits, labels, _ = inputs
        metrics = {"accuracy": mean_of(logits[:, : self.class_num].argmax(1) == labels)}
        if self.augment_label:
            metrics["all_label_accuracy"] = mean_of(logits.argmax(1) == labels)
        return metrics
