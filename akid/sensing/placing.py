"""Placing: cut the windows of a batch out of its source images, in one pass over the memory."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

import functools
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from akid.errors import ShapeError
from akid.sensing.window import Normalization, Window

_PIECE: Final = 32


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
    # Copying contiguous memory wins on the CPU, a single kernel on an accelerator.
    by_copy = source.device.type == "cpu" and source.is_contiguous()
    return (copied if by_copy else gathered)(source, indices, window, normalization)


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


def copied(
    source: Tensor, indices: Tensor, window: Window, normalization: Normalization | None = None
) -> Tensor:
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
        inside = (starts >= 0) & (starts < num_starts)
        return _copied_at_the_ends(source, indices, window, normalization, inside)
    flat = source.as_strided((num_starts, *shape), (1, *strides), source.storage_offset())
    dtype = source.dtype if normalization is None else normalization.dtype
    images = source.new_empty(len(starts), *shape, dtype=dtype)
    cut = _cut(window.mirrored, len(starts))
    rows, columns = _seen(window, height_px, width_px, dtype)
    for at, is_mirrored in _pieces(len(starts) if cut is None else cut, len(starts)):
        piece, rows_seen, columns_seen = images[at], rows[at], columns[at]
        if normalization is None:
            torch.index_select(flat, 0, starts[at], out=piece).mul_(rows_seen * columns_seen)
            if is_mirrored:
                piece.copy_(piece.flip(3))
            continue
        pixels = flat.index_select(0, starts[at])
        if is_mirrored:
            pixels, columns_seen = pixels.flip(3), columns_seen.flip(3)
        factor, offset = normalization.factor_and_offset
        factors, offsets = (rows_seen * factor) * columns_seen, (rows_seen * offset) * columns_seen
        torch.addcmul(offsets, piece.copy_(pixels), factors, out=piece)
    if cut is None:
        _turn_(images, window.mirrored, 3)
    _turn_(images, window.turned, 2)
    return images


def _cut(mirrored: Tensor | None, num: int) -> int | None:
    """Return where the mirrored windows begin if they are the last; None if they are not."""
    if mirrored is None:
        return num
    cut = num - int(mirrored.sum())
    return None if mirrored[:cut].any() else cut


def _pieces(cut: int, num: int) -> Iterator[tuple[slice, bool]]:
    """Cut a batch into pieces that fit into a processor's cache, and say which are mirrored.

    Small pieces also keep what is needed in between so small that no memory goes back to the
    system, to be asked for and cleared again with every batch.
    """
    for begin, end, is_mirrored in ((0, cut, False), (cut, num, True)):
        for start in range(begin, end, _PIECE):
            yield slice(start, min(start + _PIECE, end)), is_mirrored


def _copied_at_the_ends(
    source: Tensor,
    indices: Tensor,
    window: Window,
    normalization: Normalization | None,
    inside: Tensor,
) -> Tensor:
    dtype = source.dtype if normalization is None else normalization.dtype
    shape = (window.num, source.shape[1], window.height_px, window.width_px)
    images = source.new_empty(shape, dtype=dtype)
    for chosen, way in ((inside, copied), (~inside, gathered)):
        at = chosen.nonzero()[:, 0]
        if len(at):
            images.index_copy_(0, at, way(source, indices[at], window.part(at), normalization))
    return images


def _seen(
    window: Window, height_px: int, width_px: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return for each row and column of the windows (not yet turned) 1 if it is seen, else 0.

    Shape:
        output: `(N, 1, height_px, 1)` and `(N, 1, 1, width_px)`.
    """
    rows = _ruled(window.top, window.height_px, window.rows, height_px, dtype)
    columns = _ruled(window.left, window.width_px, window.columns, width_px, dtype)
    return rows[:, None, :, None], columns[:, None, None, :]


def _ruled(
    start: Tensor, num: int, bounds: tuple[Tensor, Tensor] | None, limit: int, dtype: torch.dtype
) -> Tensor:
    """Return for `num` lines from each start 1 if it may be seen, else 0, `(N, num)`."""
    if bounds is not None:
        return _inside(_lines(start, num, None), bounds, limit).to(dtype)
    return _ruler(num, limit, dtype).index_select(0, (start + num).clamp_(0, num + limit))


@functools.lru_cache(maxsize=16)
def _ruler(num: int, limit: int, dtype: torch.dtype) -> Tensor:
    """Return for every start from -num to limit which of `num` lines are in [0, limit)."""
    ruler = torch.zeros(limit + 2 * num, dtype=dtype)
    ruler[num : num + limit] = 1
    return ruler.unfold(0, num, 1).contiguous()


def _turn_(images: Tensor, which: Tensor | None, dim: int) -> None:
    if which is not None:
        at = which.nonzero()[:, 0]
        images.index_copy_(0, at, images.index_select(0, at).flip(dim))
