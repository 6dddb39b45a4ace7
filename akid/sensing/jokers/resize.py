"""Resizing: give all images another size."""

from typing import Final, final

import torch
from torch import Tensor
from torch.nn import functional

from akid.errors import SetupError
from akid.sensing.joker import Joker

_METHODS: Final = ("bilinear", "nearest", "bicubic", "area")


@final
class ResizeJoker(Joker):
    """Stretch or shrink each image to one size.

    Args:
        height: Rows of the result.
        width: Columns of the result.
        resize_method: 0 or "bilinear", 1 or "nearest", 2 or "bicubic", 3 or "area".
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float.
        output: `(N, C, height, width)`; new memory unless the size is the same.

    Raises:
        SetupError: If a size is below 1 or the method unknown.
    """

    def __init__(
        self, height: int, width: int, *, resize_method: int | str = 0, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        if min(height, width) < 1:
            raise SetupError(
                f"{self.label}: expected height and width of at least 1 pixel, got {height=!r},"
                f" {width=!r}."
            )
        known: dict[int | str, str] = {**dict(enumerate(_METHODS)), **{m: m for m in _METHODS}}
        if resize_method not in known:
            raise SetupError(
                f"{self.label}: expected a resize_method of {list(known)}, got {resize_method=!r}."
            )
        self.height = height
        self.width = width
        self.mode = known[resize_method]

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG002
        size = (self.height, self.width)
        if self.mode in ("bilinear", "bicubic"):
            return functional.interpolate(images, size, mode=self.mode, align_corners=False)
        return functional.interpolate(images, size, mode=self.mode)
