"""Windows: where each image of a batch is cut out of its source image, and whether mirrored."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import torch
from torch import Tensor


@final
class Window(NamedTuple):
    """One rectangle for each image of a batch; flips, pads and crops are composed into it.

    Nothing is copied until `place` cuts the rectangles out, in one pass for all of the steps.

    Args:
        height_px: Height of all rectangles.
        width_px: Width of all rectangles.
        top: Row of the source image where each rectangle begins; outside of the image are zeros.
        left: Column where each begins.
        mirrored: Which rectangles are turned left to right after cutting; None for none.
        turned: Which are turned upside down; None for none.
        is_cropped: Whether a crop came after the last pad.
        rows: The first row that may be seen, and the one after the last, where a pad follows a
            crop; None for all rows of the image.
        columns: The same for columns.
        may_leave: Whether a window may reach beyond what may be seen.

    Shape:
        top, left, rows, columns: `(N,)` int64 each.
        mirrored, turned: `(N,)` bool.
    """

    height_px: int
    width_px: int
    top: Tensor
    left: Tensor
    mirrored: Tensor | None = None
    turned: Tensor | None = None
    is_cropped: bool = False
    rows: tuple[Tensor, Tensor] | None = None
    columns: tuple[Tensor, Tensor] | None = None
    may_leave: bool = False

    @classmethod
    def whole(cls, num: int, height_px: int, width_px: int, device: torch.device) -> "Window":
        """Return the windows that show `num` images as they are."""
        zeros = torch.zeros(num, dtype=torch.int64, device=device)
        return cls(height_px=height_px, width_px=width_px, top=zeros, left=zeros)

    @property
    def num(self) -> int:
        """How many images there are."""
        return len(self.top)

    def part(self, at: slice) -> "Window":
        """Return some of the windows."""
        return self._replace(
            top=self.top[at],
            left=self.left[at],
            mirrored=None if self.mirrored is None else self.mirrored[at],
            turned=None if self.turned is None else self.turned[at],
            rows=None if self.rows is None else (self.rows[0][at], self.rows[1][at]),
            columns=None if self.columns is None else (self.columns[0][at], self.columns[1][at]),
        )

    def mirror(self, which: Tensor) -> "Window":
        """Turn left to right those that `which`, `(N,)` bool, says."""
        return self._replace(mirrored=which if self.mirrored is None else self.mirrored ^ which)

    def turn(self, which: Tensor) -> "Window":
        """Turn upside down those that `which`, `(N,)` bool, says."""
        return self._replace(turned=which if self.turned is None else self.turned ^ which)

    def pad(self, height_px: int, width_px: int) -> "Window":
        """Add that many rows of zeros at the top and bottom, columns at the left and right."""
        rows, columns = self.rows, self.columns
        if self.is_cropped:
            rows = _narrowed(rows, self.top, self.height_px)
            columns = _narrowed(columns, self.left, self.width_px)
        return self._replace(
            rows=rows,
            columns=columns,
            is_cropped=False,
            height_px=self.height_px + 2 * height_px,
            width_px=self.width_px + 2 * width_px,
            top=self.top - height_px,
            left=self.left - width_px,
            may_leave=self.may_leave or height_px > 0 or width_px > 0,
        )

    def crop(self, top: Tensor, left: Tensor, height_px: int, width_px: int) -> "Window":
        """Keep a rectangle of that size of what is seen, beginning at `top` and `left`, `(N,)`."""
        if self.turned is not None:
            top = torch.where(self.turned, self.height_px - height_px - top, top)
        if self.mirrored is not None:
            left = torch.where(self.mirrored, self.width_px - width_px - left, left)
        return self._replace(
            height_px=height_px,
            width_px=width_px,
            top=self.top + top,
            left=self.left + left,
            is_cropped=True,
        )


@final
@dataclass(frozen=True, kw_only=True)
class Normalization:
    """How bytes become numbers: subtract, then divide.

    Args:
        subtract: What is taken off, or None.
        divide: What the rest is divided by, or None; numbers of their own for each of the rest.
        dtype: The type of the result.
    """

    subtract: float | None = None
    divide: float | Tensor | None = None
    dtype: torch.dtype = torch.float32

    def apply_(self, numbers: Tensor) -> Tensor:
        """Normalise numbers in place."""
        if self.subtract is not None:
            numbers.sub_(self.subtract)
        if self.divide is not None:
            numbers.div_(self.divide)
        return numbers

    def over(self, divide: Tensor) -> "Normalization":
        """Return what divides by these numbers instead, each its own."""
        return replace(self, divide=divide)


def _narrowed(
    bounds: tuple[Tensor, Tensor] | None, start: Tensor, num: int
) -> tuple[Tensor, Tensor]:
    """Return the bounds with what lies outside of `num` lines from the start cut off."""
    if bounds is None:
        return start, start + num
    return torch.maximum(bounds[0], start), torch.minimum(bounds[1], start + num)
