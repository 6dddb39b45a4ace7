"""Padding: put a frame of zeros around images; also a joker (data augmentation) before cropping."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


class PaddingLayer(Block):
    """Add zeros on both ends of height and width, and of the channels if asked to.

    Args:
        padding: How many on each end: n, `[h, w]`, `[h, w, c]` or, in the order of the documented
            sizes, `[0, h, w, c]`.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, H, W)`, or `(C, H, W)` for one image.
        output: `(N, C + 2c, H + 2h, W + 2w)`.

    Raises:
        SetupError: If `padding` is in none of these forms, or negative.
        ShapeError: When set up, if the input is neither images nor one image.

    >>> import torch
    >>> PaddingLayer(padding=[4, 4])(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 3, 16, 16])
    """

    NAME: ClassVar[str] = "pad"

    def __init__(
        self, padding: int | Sequence[int] = (1, 1), **options: Unpack[BlockOptions]
    ) -> None:
        super().__init__(**options)
        height, width, channels = self._height_width_channels(padding)
        self.padding = (height, width)
        self.channel_padding = channels
        self._ends = [width, width, height, height, *([channels, channels] if channels else ())]

    def _height_width_channels(self, padding: int | Sequence[int]) -> tuple[int, int, int]:
        numbers = (padding, padding) if isinstance(padding, int) else tuple(padding)
        if len(numbers) == 4 and numbers[0] == 0:
            numbers = numbers[1:]
        if len(numbers) == 2:
            numbers = (*numbers, 0)
        if len(numbers) != 3 or any(type(n) is not int or n < 0 for n in numbers):
            raise SetupError(
                f"{self.label}: expected padding as n, [h, w], [h, w, c] or [0, h, w, c] of"
                f" integers not below 0, got {padding=!r}."
            )
        return numbers[0], numbers[1], numbers[2]

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if x.dim() not in (3, 4):
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, C, H, W) or (C, H, W),"
                f" got shape {tuple(x.shape)}."
            )

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.pad(inputs, self._ends)
