"""Filters: the weights of a layer as small pictures, one for each output."""
# Shape legend: N = filters, C = channels, H = height, W = width, D = all but N flattened.

from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import Tensor, nn

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.inner_product import InnerProductLayer
from akid.layers.transposed_convolution import TransposedConvolutionLayer
from akid.observing.tiling import Canvas

SELECTION: Final = "filters_to_visual"
"""The key of a block's bag under which the indices of the filters to draw may be listed."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of one layer.

    Attributes:
        values: `(N, C, H, W)`.
        biases: `(N,)`, or None.
        num_all: How many the layer has, selected or not.
    """

    values: Canvas
    biases: Canvas | None
    num_all: int

    def describe(self) -> str:
        """Say how many there are, and of which size."""
        num, channels, height, width = self.values.shape
        of = f" of {self.num_all}" if num < self.num_all else ""
        size = f"{height} x {width}" if channels == 1 else f"{channels} x {height} x {width}"
        return f"{num}{of} filter{'s' if self.num_all > 1 else ''}, each {size}"


def has_filters(block: Block) -> bool:
    """Say whether a block has weights of two or more dimensions."""
    weights = getattr(block, "weights", None)
    return isinstance(weights, Tensor) and weights.dim() > 1 and weights.numel() > 0


def filters_of(block: Block, *, who: str) -> Filters:
    """Return the selected filters of a layer, those of a dense one folded to what it looks at.

    Raises:
        SetupError: If the block has no filters, or the selection in its bag does not fit them.
    """
    if not has_filters(block):
        raise SetupError(
            f"{who}: expected a layer with weights, got a {type(block).__name__} without."
            " Name layers such as convolutions and inner products."
        )
    weights, biases = _array(block.weights), getattr(block, "biases", None)
    if isinstance(block, TransposedConvolutionLayer):
        weights = weights.swapaxes(0, 1)
    if isinstance(block, InnerProductLayer) and len(block.in_shape) == 3:
        weights = weights.reshape(len(weights), *block.in_shape)
    values = _to_four(weights)
    picked = _selection(block, len(values), who)
    return Filters(
        values=values[picked],
        biases=_array(biases)[picked] if isinstance(biases, nn.Parameter) else None,
        num_all=len(values),
    )


def norms(filters: Filters) -> Canvas:
    """Return the L2 norm of each filter.

    Shape:
        output: `(N,)`.
    """
    flat = filters.values.reshape(len(filters.values), -1)
    return np.asarray(np.sqrt(np.square(flat).sum(1)), dtype=np.float32)


def _selection(block: Block, num: int, who: str) -> list[int]:
    picked = block.bag.get(SELECTION)
    if picked is None:
        return list(range(num))
    listed = list(picked) if isinstance(picked, list | tuple | range) else []
    if not listed or not all(type(idx) is int and 0 <= idx < num for idx in listed):
        raise SetupError(
            f"{who}: expected bag[{SELECTION!r}] as a list of filters from 0 to {num - 1},"
            f" got {picked!r}."
        )
    return listed


def _to_four(weights: Canvas) -> Canvas:
    """Bring to `(N, C, H, W)`: a vector is one line, further dimensions lie in W."""
    num = len(weights)
    if weights.ndim == 2:
        return weights.reshape(num, 1, 1, -1)
    if weights.ndim == 3:
        return weights.reshape(num, weights.shape[1], 1, -1)
    return weights.reshape(*weights.shape[:3], -1)


def _array(tensor: object) -> Canvas:
    assert isinstance(tensor, Tensor)
    array: Canvas = tensor.detach().float().cpu().numpy()
    return array
