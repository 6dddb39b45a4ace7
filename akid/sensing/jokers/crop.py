"""Crops: cut a part out of each image."""

from typing import final

import torch
from torch import Tensor

from akid.errors import SetupError, ShapeError
from akid.sensing.joker import PlacingJoker
from akid.sensing.window import Window


@final
class CropJoker(PlacingJoker):
    """Cut one rectangle out of each image: anywhere, or in the middle.

    Args:
        height: Rows of the rectangle.
        width: Columns of the rectangle.
        center: Cut in the middle; an image that is smaller gets zeros around it.
        central_fraction: Cut in the middle this part, above 0 and up to 1, of height and width.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, C, height, width)`; new memory.

    Raises:
        SetupError: Unless either height and width or a fraction are given.
        ShapeError: If an image is smaller than a rectangle that may be anywhere.

    >>> CropJoker(height=24, width=24, name="crop")(torch.zeros(8, 3, 32, 32)).shape
    torch.Size([8, 3, 24, 24])
    """

    def __init__(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        center: bool = False,
        central_fraction: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if central_fraction is None:
            good = all(type(size) is int and size > 0 for size in (height, width))
        else:
            good = height is None and width is None and 0 < central_fraction <= 1
        if not good:
            raise SetupError(
                f"{self.label}: expected height and width of at least 1 pixel, or a"
                f" central_fraction in (0, 1] instead, got {height=!r}, {width=!r},"
                f" {central_fraction=!r}."
            )
        self.height = height
        self.width = width
        self.center = center
        self.central_fraction = central_fraction

    def move(self, window: Window, generator: torch.Generator | None) -> Window:
        height_px, width_px = self._size(window)
        spare = (window.height_px - height_px, window.width_px - width_px)
        if self.center or self.central_fraction is not None:
            return self._middle(window, height_px, width_px)
        if min(spare) < 0:
            raise ShapeError(
                f"{self.label}: expected images of at least height={height_px} and"
                f" width={width_px}, got {window.height_px} x {window.width_px} pixels. Pad them"
                " first, or say center=True."
            )
        top, left = (_draw(window, number, generator) for number in spare)
        return window.crop(top, left, height_px, width_px)

    def _size(self, window: Window) -> tuple[int, int]:
        if self.central_fraction is None:
            assert self.height is not None
            assert self.width is not None
            return self.height, self.width
        sizes = (window.height_px, window.width_px)
        height_px, width_px = (max(1, round(n * self.central_fraction)) for n in sizes)
        return height_px, width_px

    def _middle(self, window: Window, height_px: int, width_px: int) -> Window:
        lacking = (height_px - window.height_px, width_px - window.width_px)
        if max(lacking) > 0:
            window = window.pad(*(max(0, -(-number // 2)) for number in lacking))
        zeros = torch.zeros_like(window.top)
        top, left = (window.height_px - height_px) // 2, (window.width_px - width_px) // 2
        return window.crop(zeros + top, zeros + left, height_px, width_px)


def _draw(window: Window, spare: int, generator: torch.Generator | None) -> Tensor:
    device = window.top.device
    return torch.randint(spare + 1, (window.num,), generator=generator, device=device)
