"""Scatter: split the channels into several outputs."""
# Shape legend: N = batch, C = channels.

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


class ScatterLayer(Block):
    """Give the channels in slices of the given lengths; channels that are left over are left out.

    Args:
        scatter_len_list: How many channels each output gets.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, ...)`.
        output: a list of `(N, length, ...)`, views of the input.

    Raises:
        SetupError: If there is no length, or one is below 1.
        ShapeError: When set up, if there are fewer channels than asked for.

    >>> [part.tolist() for part in ScatterLayer([1, 2])(torch.tensor([[1, 2, 3, 4]]))]
    [[[1]], [[2, 3]]]
    """

    NAME: ClassVar[str] = "scatter"

    def __init__(self, scatter_len_list: Sequence[int], **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        if not scatter_len_list or min(scatter_len_list) < 1:
            raise SetupError(
                f"{self.label}: expected lengths of 1 or more, got {scatter_len_list=!r}."
            )
        self.scatter_len_list = list(scatter_len_list)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        needed = sum(self.scatter_len_list)
        if x.dim() < 2 or x.shape[1] < needed:
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, C, ...) with C of {needed} or more"
                f" for scatter_len_list={self.scatter_len_list!r}, got shape {tuple(x.shape)}."
            )

    def forward(self, inputs: Tensor) -> list[Tensor]:
        lengths = self.scatter_len_list
        return list(torch.split(inputs.narrow(1, 0, sum(lengths)), lengths, 1))
