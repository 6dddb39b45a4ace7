"""Tiling: many small pictures put together to one (layouts of filters and feature maps)."""
# Shape legend: N = filters, C = channels, H = height, W = width.

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from akid.core.wiring import known
from akid.errors import SetupError

Canvas: TypeAlias = NDArray[np.float32]
"""A picture of one value a pixel; NaN between the tiles."""

TYPES: Final = ("normal", "inverse", "dynamic", "square")
_CHANNEL_GAP_PX: Final = 1
_COLUMN_GAP_PX: Final = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How filters are put on a page.

    In all but "square", a filter is a strip: its channels side by side, then its bias.

    Attributes:
        type: "normal": `num` columns of strips, and one more for the remainder; "inverse": columns
            of `num` strips; "dynamic": as many columns as make the page most nearly a square;
            "square": no strips, all channels of all filters in a square, without biases.
        num: See `type`; of no meaning to "dynamic" and "square".

    Raises:
        SetupError: If the type is unknown or the number is below 1.
    """

    type: str = "normal"
    num: int = 1

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise SetupError(
                f"Layout: expected a type of layout, got type={self.type!r};"
                f" {known(self.type, TYPES)}"
            )
        if type(self.num) is not int or self.num < 1:
            raise SetupError(f"Layout: expected num of 1 or more, got num={self.num!r}.")


def to_layout(description: Mapping[str, Any] | Layout) -> Layout:
    """Return the layout that `{"type": ..., "num": ...}` describes; "num" left out means 1.

    Raises:
        SetupError: If it is no such description.

    >>> to_layout({"type": "inverse", "num": 8})
    Layout(type='inverse', num=8)
    """
    if isinstance(description, Layout):
        return description
    if not isinstance(description, Mapping) or not {"type"} <= {*description} <= {"type", "num"}:
        raise SetupError(
            f'Layout: expected {{"type": one of {TYPES}, "num": 1}}, got layout={description!r}.'
        )
    return Layout(**description)


def grid_of(num: int, layout: Layout, *, height_px: int, width_px: int) -> tuple[int, int]:
    """Return how many strips a column has, and how many columns there are.

    Args:
        num: How many strips there are.
        layout: Of which type; "square" is treated as "dynamic".
        height_px: The height of a strip with its gap.
        width_px: Its width, likewise.

    >>> grid_of(32, Layout(type="normal", num=3), height_px=6, width_px=8)
    (10, 4)
    >>> grid_of(32, Layout(type="inverse", num=12), height_px=6, width_px=8)
    (12, 3)
    """
    if layout.type == "normal":
        rows = max(num // layout.num, 1)
    elif layout.type == "inverse":
        rows = min(layout.num, num)
    else:
        columns = min(range(1, num + 1), key=lambda c: abs(-(-num // c) * height_px - c * width_px))
        rows = -(-num // columns)
    return rows, -(-num // rows)


def tile(filters: Canvas, biases: Canvas | None, layout: Layout) -> Canvas:
    """Put filters on one page.

    Shape:
        filters: `(N, C, H, W)`.
        biases: `(N,)`, or None for filters without.
        output: `(height, width)`.
    """
    num, channels, height, width = filters.shape
    if layout.type == "square":
        return mosaic(filters.reshape(num * channels, height, width))
    strips = _strips(filters, biases)
    gap = _CHANNEL_GAP_PX if height > 1 else 0
    return _place(strips, layout, gap_px=gap)


def mosaic(images: Canvas) -> Canvas:
    """Put images side by side in lines, to a page that is most nearly a square.

    Shape:
        images: `(N, H, W)`.
        output: `(height, width)`.

    >>> mosaic(np.zeros((4, 5, 5), np.float32)).shape
    (11, 11)
    """
    num, height, width = images.shape
    gap = _CHANNEL_GAP_PX
    _, columns = grid_of(num, Layout(type="dynamic"), height_px=height + gap, width_px=width + gap)
    rows = -(-num // columns)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan, np.float32)
    for position, image in enumerate(images):
        top, left = position // columns * (height + gap), position % columns * (width + gap)
        page[top : top + height, left : left + width] = image
    return page


def fold(vector: Canvas) -> Canvas:
    """Fold a vector to lines that are most nearly a square, NaN after its end.

    >>> fold(np.arange(5, dtype=np.float32)).shape
    (2, 3)
    """
    columns = math.ceil(math.sqrt(len(vector)))
    rows = -(-len(vector) // columns)
    page = np.full(rows * columns, np.nan, np.float32)
    page[: len(vector)] = vector
    return page.reshape(rows, columns)


def _strips(filters: Canvas, biases: Canvas | None) -> Canvas:
    """Return `(N, H, width)`: the channels side by side, then a bar in the bias's colour."""
    num, channels, height, width = filters.shape
    step = width + _CHANNEL_GAP_PX
    strips = np.full((num, height, channels * step), np.nan, np.float32)
    for channel in range(channels):
        strips[:, :, channel * step : channel * step + width] = filters[:, channel]
    if biases is None:
        return strips[:, :, :-_CHANNEL_GAP_PX]
    bar_px = max(1, channels * step // 40)
    bars = np.broadcast_to(biases[:, None, None], (num, height, bar_px))
    return np.concatenate([strips, bars], axis=2, dtype=np.float32)


def _place(strips: Canvas, layout: Layout, *, gap_px: int) -> Canvas:
    num, height, width = strips.shape
    height_px, width_px = height + gap_px, width + _COLUMN_GAP_PX
    rows, columns = grid_of(num, layout, height_px=height_px, width_px=width_px)
    size = (rows * height_px - gap_px, columns * width_px - _COLUMN_GAP_PX)
    page = np.full(size, np.nan, np.float32)
    for position, strip in enumerate(strips):
        top, left = position % rows * height_px, position // rows * width_px
        page[top : top + height, left : left + width] = strip
    return page
