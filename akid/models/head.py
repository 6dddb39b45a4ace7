"""Head: what the brains of the catalogue end with."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from akid.layers.loss import LossLayer, SoftmaxWithLossLayer

LossSpec: TypeAlias = tuple[type[LossLayer], Mapping[str, Any]]
"""A loss layer's class, and its arguments but name and inputs."""


def loss_of(block: str, class_num: int, loss_layer: LossSpec | None = None) -> LossLayer:
    """Return the loss between what `block` gives and the labels, the system's second input.

    Args:
        block: The name of the block that gives the logits.
        class_num: How many classes there are.
        loss_layer: Another loss than softmax and cross entropy.

    >>> loss_of("ip2", 10).inputs
    [{'name': 'ip2', 'idxs': [0]}, {'name': 'system_in', 'idxs': [1]}]
    """
    kind, arguments = loss_layer or (SoftmaxWithLossLayer, {"class_num": class_num})
    inputs = [{"name": block, "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
    return kind(**arguments, inputs=inputs, name="loss")
