"""Reshape: the same values in another shape; the batch stays what it is."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from torch import Tensor

from akid.core.block import Block
from akid.errors import ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


class ReshapeLayer(Block):
    """Give each sample another shape.

    Args:
        shape: The shape of one sample, without the batch; one of its numbers may be -1. None
            flattens.
        squeeze: Whether to leave out dimensions of size 1, also those in `shape`, but never the
            batch.
        options: The arguments of `Block`.

    Shape:
        input: `(N, ...)`.
        output: `(N, *shape)`, without the sizes of 1 if `squeeze`.

    Raises:
        ShapeError: When set up, if the values do not fit the shape.

    >>> import torch
    >>> ReshapeLayer()(torch.zeros(1, 3, 1, 1)).shape
    torch.Size([1, 3])
    """

    NAME: ClassVar[str] = "reshape"

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        *,
        squeeze: bool = True,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        self.shape = None if shape is None else tuple(shape)
        self.squeeze = squeeze
        self._sample: tuple[int, ...] = (-1,)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if self.shape is None:
            return
        try:
            sample = tuple(x[:1].reshape(1, *self.shape).shape[1:])
        except (RuntimeError, IndexError) as error:
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, ...) with as many values a sample as"
                f" shape={self.shape!r}, got shape {tuple(x.shape)}."
            ) from error
        squeezed = tuple(side for side in sample if side != 1)
        self._sample = squeezed if self.squeeze else sample

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(inputs.shape[0], *self._sample)
