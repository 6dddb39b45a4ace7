"""Collapse-out: reduce groups of neighbouring channels to one channel each (maxout)."""
# Shape legend: N = batch, C = channels, g = channels of a group.

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.inputs import groups_of_channels
from akid.layers.options import BlockOptions

TYPES = ("average_out", "maxout")


class CollapseOutLayer(Block):
    """The largest or the mean value of each group of channels.

    Args:
        group_size: How many neighbouring channels make a group.
        type: "maxout" or "average_out".
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, ...)`, or a list of tensors `(N, g, ...)`, which are one group each.
        output: `(N, C / group_size, ...)`; for a list, with one channel for each of its tensors.

    Raises:
        SetupError: If the type is unknown.
        ShapeError: When set up, if the channels do not divide into groups.

    >>> CollapseOutLayer(group_size=2)(torch.tensor([[1.0, 4.0, 3.0, 2.0]]))
    tensor([[4., 3.]])
    """

    NAME: ClassVar[str] = "maxout"
    takes_list: ClassVar[bool] = True

    def __init__(
        self,
        group_size: int = 4,
        type: str = "maxout",  # noqa: A002 - the documented name
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if type not in TYPES:
            raise SetupError(f"{self.label}: expected type to be one of {TYPES}, got {type=!r}.")
        self.group_size = group_size
        self.kind = type

    def _setup(self, inputs: Any) -> None:
        groups_of_channels(inputs, self.group_size, who=self.label)

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(inputs, Tensor):
            return self._collapse(torch.unflatten(inputs, 1, (-1, self.group_size)), 2)
        return torch.stack([self._collapse(group, 1) for group in inputs], 1)

    def _collapse(self, groups: Tensor, dim: int) -> Tensor:
        return torch.amax(groups, dim) if self.kind == "maxout" else groups.mean(dim)
