"""Cutout: hide a square of each image."""

from typing import final

import torch
from torch import Tensor

from akid.errors import SetupError
from akid.sensing.joker import Joker


@final
class CutoutJoker(Joker):
    """Set one square of each image to zero, its middle anywhere in the image.

    Args:
        size_px: Side of the square; part of it may lie outside of the image.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float.
        output: the same; new memory.
    """

    def __init__(self, size_px: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if size_px < 1:
            raise SetupError(
                f"{self.label}: expected a side of at least 1 pixel, got {size_px=!r}."
            )
        self.size_px = size_px

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        rows, columns = (self._hidden(images, dim, generator) for dim in (2, 3))
        hidden = rows[:, None, :, None] & columns[:, None, None, :]
        return images.masked_fill(hidden, 0)

    def _hidden(self, images: Tensor, dim: int, generator: torch.Generator | None) -> Tensor:
        """Return which rows (or columns) of each image the square covers, `(N, side)` bool."""
        side, device = images.shape[dim], images.device
        middle = torch.randint(side, (len(images), 1), generator=generator, device=device)
        start = middle - self.size_px // 2
        lines = torch.arange(side, device=device)
        return (lines >= start) & (lines < start + self.size_px)
