"""Placing: cut the windows of a batch out of its source images, in one pass over the memory."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

import functools
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from akid.errors import ShapeError
from akid.sensing.window import Normalization, Window


def place(
    source: Tensor,
    indices: Tensor | None,
    window: Window,
    normalization: Normalization | None = None,
) -> Tensor:
    """Cut the windows out of images.

    Args:
        source: The images.
        indices: Which image each window is cut from; None means the first from the first.
        window: What is seen of each.
        normalization: How what was cut is normalised; the zeros outside of an image stay zeros.

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
    dtype = source.dtype if normalization is None else normalization.dtype
    cut = Cut.of(window, source.shape[1:], dtype, normalization)
    out = torch.empty((window.num, *cut.shape), dtype=dtype, device=source.device)
    cut.place(source, indices, out)
    return out


@final
class Cut(NamedTuple):
    """Windows of images of one shape, with all worked out that does not depend on the images.

    Args:
        window: The windows.
        shape: Channels, height and width of what is cut out.
        strides: How far apart channels, rows and columns of an image lie in its memory.
        offset: Where each window begins in the memory of its image.
        rows: For each row 1 where it is seen and 0 where not or, with a normalisation, its divisor
            and infinity; None where no window leaves its image.
        columns: The same for columns, with 1 for the divisor.
        normalization: How what was cut is normalised.

    Shape:
        offset: `(N,)` int64.
        rows, columns: `(N, 1, height_px, 1)` and `(N, 1, 1, width_px)`.
    """

    window: Window
    shape: tuple[int, int, int]
    strides: tuple[int, int, int]
    offset: Tensor
    rows: Tensor | None
    columns: Tensor | None
    normalization: Normalization | None

    @classmethod
    def of(
        cls,
        window: Window,
        image_shape: Sequence[int],
        dtype: torch.dtype,
        normalization: Normalization | None = None,
    ) -> "Cut":
        """Work out what is needed to cut windows out of images of shape `(C, H, W)`.

        Args:
            window: The windows.
            image_shape: Of each image.
            dtype: What is cut out is of that type.
            normalization: How it is normalised.
        """
        channels, height_px, width_px = image_shape
        rows = columns = None
        if window.may_leave:
            rows = _seen(window.top, window.height_px, window.turned, window.rows, height_px)
            columns = _seen(window.left, window.width_px, window.mirrored, window.columns, width_px)
            rows, columns = rows.to(dtype)[:, None, :, None], columns.to(dtype)[:, None, None, :]
            if normalization is not None:
                rows, columns = (normalization.divide or 1) / rows, 1 / columns
        return cls(
            window=window,
            shape=(channels, window.height_px, window.width_px),
            strides=(height_px * width_px, width_px, 1),
            offset=window.top * width_px + window.left,
            rows=rows,
            columns=columns,
            normalization=normalization,
        )

    def part(self, at: slice) -> "Cut":
        """Return some of the windows."""
        return self._replace(
            window=self.window.part(at),
            offset=self.offset[at],
            rows=None if self.rows is None else self.rows[at],
            columns=None if self.columns is None else self.columns[at],
        )

    def place(self, source: Tensor, indices: Tensor, out: Tensor) -> None:
        """Cut the windows out of images into `out`.

        Shape:
            source: `(M, C, H, W)`.
            indices: `(N,)` int64.
            out: `(N, *shape)`, on the same device.
        """
        # Copying contiguous memory wins on the CPU, a single kernel on an accelerator.
        if source.device.type == "cpu" and source.is_contiguous():
            copy(source, indices, self, out)
        else:
            out.copy_(gathered(source, indices, self.window, self.normalization))


def gathered(
    source: Tensor, indices: Tensor, window: Window, normalization: Normalization | None = None
) -> Tensor:
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
    if normalization is not None:
        images = normalization.apply_(images.to(normalization.dtype))
    if not window.may_leave:
        return images
    rows_seen = _inside(rows, window.rows, height_px)
    columns_seen = _inside(columns, window.columns, width_px)
    return images.mul_(rows_seen[:, None, :, None] & columns_seen[:, None, None, :])


def copy(source: Tensor, indices: Tensor, cut: Cut, out: Tensor) -> None:
    """Do what `place` does by copying runs of memory, then turning, normalising and clearing.

    A window that leaves its image on the left reads the end of the row before, and so on: wrong
    pixels, but all from the source's memory, and cleared in the end.
    """
    image_size = source[0].numel() if len(source) else 0
    pixels = _taken(source.view(-1), indices * image_size + cut.offset, cut)
    for which, dim in ((cut.window.mirrored, 3), (cut.window.turned, 2)):
        if which is not None:
            _turn_(pixels, which, dim)
    seen = None if cut.rows is None or cut.columns is None else cut.rows * cut.columns
    if cut.normalization is not None:
        normalization = cut.normalization if seen is None else cut.normalization.over(seen)
        normalization.apply_(out.copy_(pixels))
    elif seen is not None:
        torch.mul(pixels, seen, out=out)
    else:
        out.copy_(pixels)


def _taken(memory: Tensor, starts: Tensor, cut: Cut) -> Tensor:
    """Copy the windows that begin at these places of the memory, `(N, *shape)`."""
    reach = sum((n - 1) * stride for n, stride in zip(cut.shape, cut.strides, strict=True))
    last = len(memory) - reach - 1
    low, high = torch.stack(starts.aminmax()).tolist() if len(starts) else (0, 0)
    if last < 0:
        return _runs(memory, starts, reach, cut)
    offset = memory.storage_offset()
    windows = memory.as_strided((last + 1, *cut.shape), (1, *cut.strides), offset)
    if low >= 0 and high <= last:
        return windows.index_select(0, starts)
    taken = windows.index_select(0, starts.clamp(0, last))
    beyond = ((starts < 0) | (starts > last)).nonzero()[:, 0]
    return taken.index_copy_(0, beyond, _runs(memory, starts[beyond], reach, cut))


def _runs(memory: Tensor, starts: Tensor, reach: int, cut: Cut) -> Tensor:
    """Copy windows which may begin before the memory or end after it, one by one."""
    runs = memory.new_zeros(len(starts), reach + 1)
    for run, start in zip(runs, starts.tolist(), strict=True):
        begin, end = max(start, 0), min(start + reach + 1, len(memory))
        if begin < end:
            run[begin - start : end - start] = memory[begin:end]
    windows = runs.as_strided((len(starts), *cut.shape), (reach + 1, *cut.strides))
    return windows.clone(memory_format=torch.contiguous_format)


def _turn_(images: Tensor, which: Tensor, dim: int) -> None:
    """Turn over, in place, the images that `which`, `(N,)` bool, says."""
    at = which.nonzero()[:, 0]
    # NumPy writes whole images to their places, torch value by value, ten times as slowly.
    images.numpy()[at.numpy()] = images.index_select(0, at).flip(dim).numpy()


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


def _seen(
    start: Tensor,
    num: int,
    reversed_: Tensor | None,
    bounds: tuple[Tensor, Tensor] | None,
    limit: int,
) -> Tensor:
    """Return which of the windows' `num` lines are seen, `(N, num)` bool."""
    if bounds is not None:
        return _inside(_lines(start, num, reversed_), bounds, limit)
    place = (start + num).clamp_(0, num + limit)
    if reversed_ is not None:
        place += reversed_ * (num + limit + 1)
    return _rulers(num, limit).to(start.device).index_select(0, place)


@functools.lru_cache(maxsize=16)
def _rulers(num: int, limit: int) -> Tensor:
    """Return for every start from -num to limit which of `num` lines are in [0, limit).

    Shape:
        output: `(2 * (num + limit + 1), num)` bool; the second half has the lines reversed.
    """
    ruler = torch.zeros(limit + 2 * num, dtype=torch.bool)
    ruler[num : num + limit] = True
    starts = ruler.unfold(0, num, 1)
    return torch.cat([starts, starts.flip(1)])
