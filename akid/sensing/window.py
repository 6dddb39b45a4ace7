"""Windows: where each image of a batch is cut out of its source image, and whether mirrored."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from akid.errors import ShapeError


@final
@dataclass(frozen=True, kw_only=True)
class Window:
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

    def mirror(self, which: Tensor) -> "Window":
        """Turn left to right those that `which`, `(N,)` bool, says."""
        return replace(self, mirrored=which if self.mirrored is None else self.mirrored ^ which)

    def turn(self, which: Tensor) -> "Window":
        """Turn upside down those that `which`, `(N,)` bool, says."""
        return replace(self, turned=which if self.turned is None else self.turned ^ which)

    def pad(self, height_px: int, width_px: int) -> "Window":
        """Add that many rows of zeros at the top and bottom, columns at the left and right."""
        rows, columns = self.rows, self.columns
        if self.is_cropped:
            rows = _narrowed(rows, self.top, self.height_px)
            columns = _narrowed(columns, self.left, self.width_px)
        return replace(
            self,
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
        return replace(
            self,
            height_px=height_px,
            width_px=width_px,
            top=self.top + top,
            left=self.left + left,
            is_cropped=True,
        )


def place(source: Tensor, indices: Tensor | None, window: Window) -> Tensor:
    """Cut the windows out of images.

    Args:
        source: The images.
        indices: Which image each window is cut from; None means the first from the first.
        window: What is seen of each.

    Shape:
        source: `(M, C, H, W)`, any dtype.
        indices: `(N,)` int64.
        output: `(N, C, height_px, width_px)`; new memory, zeros where a window leaves its image.
    """
    if source.dim() != 4:
        raise ShapeError(
            f"place: expected images of shape (N, C, H, W), got shape {tuple(source.shape)}."
        )
    if indices is None:
        indices = torch.arange(window.num, device=source.device)
    # Copying contiguous memory wins on the CPU, a single kernel on an accelerator.
    by_copy = source.device.type == "cpu" and source.is_contiguous()
    return (copied if by_copy else gathered)(source, indices, window)


def gathered(source: Tensor, indices: Tensor, window: Window) -> Tensor:
    """Do what `place` does by looking up every pixel: a few kernels, whatever is composed."""
    height_px, width_px = source.shape[2:]
    rows = _lines(window.top, window.height_px, window.turned)
    columns = _lines(window.left, window.width_px, window.mirrored)
    channels = torch.arange(source.shape[1], device=source.device)
    images = source[
        indices[:, None, None, None],
        channels[:, None, None],
        rows.clamp(0, height_px - 1)[:, None, :, None],
        columns.clamp(0, width_px - 1)[:, None, None, :],
    ]
    if not window.may_leave:
        return images
    rows_seen = _inside(rows, window.rows, height_px)
    columns_seen = _inside(columns, window.columns, width_px)
    return images.mul_(rows_seen[:, None, :, None] & columns_seen[:, None, None, :])


def _lines(start: Tensor, num: int, reversed_: Tensor | None) -> Tensor:
    """Return the source's row (or column) for each one of the windows, `(N, num)`."""
    steps = torch.arange(num, device=start.device).expand(len(start), num)
    if reversed_ is not None:
        steps = torch.where(reversed_[:, None], num - 1 - steps, steps)
    return start[:, None] + steps


def _inside(lines: Tensor, bounds: tuple[Tensor, Tensor] | None, limit: int) -> Tensor:
    inside = (lines >= 0) & (lines < limit)
    if bounds is None:
        return inside
    return inside & (lines >= bounds[0][:, None]) & (lines < bounds[1][:, None])


def _narrowed(
    bounds: tuple[Tensor, Tensor] | None, start: Tensor, num: int
) -> tuple[Tensor, Tensor]:
    """Return the bounds with what lies outside of `num` lines from the start cut off."""
    if bounds is None:
        return start, start + num
    return torch.maximum(bounds[0], start), torch.minimum(bounds[1], start + num)


def copied(source: Tensor, indices: Tensor, window: Window) -> Tensor:
    """Do what `place` does by copying runs of memory, then clearing and turning in place.

    A window that leaves its image on the left reads the end of the row before, and so on: wrong
    pixels, but all from the source's memory, and cleared afterwards. Only windows that begin before
    the first image or end after the last need another way.
    """
    _, channels, height_px, width_px = source.shape
    image_size, size = channels * height_px * width_px, source.numel()
    shape = (channels, window.height_px, window.width_px)
    strides = (height_px * width_px, width_px, 1)
    reach = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    starts = indices * image_size + window.top * width_px + window.left
    num_starts = size - reach
    low, high = (int(bound) for bound in starts.aminmax()) if len(starts) else (0, 0)
    if num_starts < 1 or low < 0 or high >= num_starts:
        return _copied_at_the_ends(source, indices, window, starts, num_starts)
    flat = source.as_strided((num_starts, *shape), (1, *strides), source.storage_offset())
    images = flat.index_select(0, starts)
    if window.may_leave:
        images.mul_(_seen(window, height_px, width_px, images.dtype))
    _turn_(images, window.mirrored, 3)
    _turn_(images, window.turned, 2)
    return images


def _copied_at_the_ends(
    source: Tensor, indices: Tensor, window: Window, starts: Tensor, num_starts: int
) -> Tensor:
    inside = (starts >= 0) & (starts < num_starts)
    images = source.new_empty(window.num, source.shape[1], window.height_px, window.width_px)
    for chosen, way in ((inside, copied), (~inside, gathered)):
        at = chosen.nonzero()[:, 0]
        if len(at):
            images.index_copy_(0, at, way(source, indices[at], _part(window, at)))
    return images


def _part(window: Window, at: Tensor) -> Window:
    return replace(
        window,
        top=window.top[at],
        left=window.left[at],
        mirrored=None if window.mirrored is None else window.mirrored[at],
        turned=None if window.turned is None else window.turned[at],
        rows=None if window.rows is None else (window.rows[0][at], window.rows[1][at]),
        columns=None if window.columns is None else (window.columns[0][at], window.columns[1][at]),
    )


def _seen(window: Window, height_px: int, width_px: int, dtype: torch.dtype) -> Tensor:
    """Return 1 where a window (not yet turned) shows its image and 0 elsewhere, `(N, 1, H, W)`."""
    rows = _ruled(window.top, window.height_px, window.rows, height_px).to(dtype)
    columns = _ruled(window.left, window.width_px, window.columns, width_px).to(dtype)
    return rows[:, None, :, None] * columns[:, None, None, :]


def _ruled(start: Tensor, num: int, bounds: tuple[Tensor, Tensor] | None, limit: int) -> Tensor:
    """Return for `num` lines from each start whether they may be seen, `(N, num)`."""
    if bounds is not None:
        return _inside(_lines(start, num, None), bounds, limit)
    ruler = torch.zeros(limit + 2 * num)
    ruler[num : num + limit] = 1
    return ruler.unfold(0, num, 1).index_select(0, (start + num).clamp_(0, num + limit))


def _turn_(images: Tensor, which: Tensor | None, dim: int) -> None:
    if which is None:
        return
    at = which.nonzero()[:, 0]
    images.index_copy_(0, at, images.index_select(0, at).flip(dim))
