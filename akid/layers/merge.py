"""Merge: bring several branches together to one."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, ClassVar, Final, Unpack

import torch
from torch import Tensor

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.options import BlockOptions

_PAIRWISE: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "sum": torch.add,
    "max": torch.maximum,
    "product": torch.mul,
}
TYPES: Final = (*_PAIRWISE, "concat")


class MergeLayer(Block):
    """The sum, the largest, the product, or the concatenation of its inputs, which stay untouched.

    Args:
        type: "sum", "max", "product" (value by value), or "concat" (along the channels).
        options: The arguments of `Block`.

    Shape:
        input: a list of tensors of one shape; for "concat" the channels may differ.
        output: that shape; for "concat" with the channels of all.

    Raises:
        SetupError: If the type is unknown, or the input is no list of tensors.
        ShapeError: When set up, if the shapes do not fit each other.

    >>> MergeLayer()([torch.ones(1, 2), torch.ones(1, 2)])
    tensor([[2., 2.]])
    """

    NAME: ClassVar[str] = "merge"
    takes_list: ClassVar[bool] = True

    def __init__(
        self,
        type: str = "sum",  # noqa: A002 - as PoolingLayer
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if type not in TYPES:
            raise SetupError(f"{self.label}: expected type to be one of {TYPES}, got {type=!r}.")
        self.kind = type

    def _setup(self, inputs: Any) -> None:
        if isinstance(inputs, Tensor):
            return
        if not inputs or not all(isinstance(item, Tensor) for item in inputs):
            raise SetupError(
                f"{self.label}: expected a list of tensors, got inputs={inputs!r}."
                ' Name them in inputs=[{"name": block, "idxs": [index]}, ...].'
            )
        shapes = [tuple(item.shape) for item in inputs]
        compared = [s[:1] + s[2:] for s in shapes] if self.kind == "concat" else shapes
        if len(set(compared)) > 1 or (self.kind == "concat" and min(map(len, shapes)) < 2):
            but = " but for the channels" if self.kind == "concat" else ""
            raise ShapeError(
                f"{self.label}: expected inputs of one shape{but}, got {shapes}."
                " Bring the branches to one size before they merge."
            )

    def forward(self, inputs: list[Tensor] | Tensor) -> Tensor:
        if isinstance(inputs, Tensor):
            return inputs
        if self.kind == "concat":
            return torch.cat(inputs, 1)
        return reduce(_PAIRWISE[self.kind], inputs)
