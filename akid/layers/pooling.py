"""Pooling: sum up each window of an image by its largest or its mean value."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from typing import Any, ClassVar, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from akid.core.block import Block
from akid.core.shape import Padding, Size, check_window_fits, same_padding, to_padding, to_pair
from akid.errors import SetupError
from akid.layers.inputs import image
from akid.layers.options import BlockOptions

TYPES = ("avg", "max")


class _Plan(NamedTuple):
    """How torch's pooling gives TensorFlow's SAME without a copy of the image.

    torch pads both ends alike. Where SAME wants one pixel more at the far end, a stride above 1
    gets it from `ceil_mode`, which lets the last window hang over the edge; with stride 1 the
    larger padding goes to both ends, and the first window is dropped.
    """

    both_ends: tuple[int, int]
    dropped: tuple[int, int]


def _plan(sides: tuple[int, int], ksize: tuple[int, int], strides: tuple[int, int]) -> _Plan:
    both_ends, dropped = [], []
    for side, window, stride in zip(sides, ksize, strides, strict=True):
        before, after = same_padding(side, window, stride)
        drops = int(stride == 1 and after > before)
        both_ends.append(after if drops else before)
        dropped.append(drops)
    return _Plan((both_ends[0], both_ends[1]), (dropped[0], dropped[1]))


class PoolingLayer(Block):
    """The largest or the mean value of each window, for each channel by itself.

    Padding is never a value: a window that hangs over the edge gives the largest, or the mean, of
    the pixels that it covers.

    Args:
        ksize: The window, as n, `[h, w]` or `[1, h, w, 1]`.
        strides: Its step, likewise; None means the window's own size.
        padding: "SAME" or "VALID", as TensorFlow defines them.
        type: "max" or "avg".
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, C, ceil(H / stride), ceil(W / stride))` for SAME.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 4-D or smaller than a VALID window.

    >>> PoolingLayer(ksize=[1, 5, 5, 1], strides=[1, 5, 5, 1], padding="SAME")(
    ...     torch.zeros(8, 32, 28, 28)
    ... ).shape
    torch.Size([8, 32, 6, 6])
    """

    NAME: ClassVar[str] = "pool"

    def __init__(
        self,
        ksize: Size,
        strides: Size | None = None,
        padding: str = "VALID",
        type: str = "max",  # noqa: A002 - the documented name
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if type not in TYPES:
            raise SetupError(f"{self.label}: expected type to be one of {TYPES}, got {type=!r}.")
        self.ksize = to_pair(ksize, who=self.label, what="ksize")
        self.strides = self.ksize
        if strides is not None:
            self.strides = to_pair(strides, who=self.label, what="strides")
        self.padding: Padding = to_padding(padding, who=self.label)
        self.kind = type
        self._planned_sides: tuple[int, int] | None = None
        self._planned = _Plan((0, 0), (0, 0))

    def _setup(self, inputs: Any) -> None:
        x = image(inputs, who=self.label)
        sides = (x.shape[2], x.shape[3])
        check_window_fits(sides, self.ksize, self.padding, who=self.label)
        if self.padding == "SAME":
            self._planned_sides = sides
            self._planned = _plan(sides, self.ksize, self.strides)

    def forward(self, inputs: Tensor) -> Tensor:
        plan = self._planned
        if self._planned_sides is not None and inputs.shape[2:] != self._planned_sides:
            plan = _plan((inputs.shape[2], inputs.shape[3]), self.ksize, self.strides)
        pooled = self._pool(inputs, plan.both_ends, ceil_mode=self._planned_sides is not None)
        if plan.dropped != (0, 0):
            pooled = pooled[..., plan.dropped[0] :, plan.dropped[1] :]
        return pooled

    def _pool(self, inputs: Tensor, both_ends: tuple[int, int], *, ceil_mode: bool) -> Tensor:
        if self.kind == "max":
            return torch.max_pool2d(inputs, self.ksize, self.strides, both_ends, 1, ceil_mode)
        return functional.avg_pool2d(
            inputs, self.ksize, self.strides, both_ends, ceil_mode, count_include_pad=False
        )


class MaxPoolingLayer(PoolingLayer):
    """The largest value of each window.

    Args:
        ksize: See `PoolingLayer`.
        strides: See `PoolingLayer`.
        padding: See `PoolingLayer`.
        get_argmax_idx: Whether to keep where the largest values are, in `in_group_indices`.
        options: The arguments of `Block`.

    Attributes:
        in_group_indices: The position of each largest value in its channel, `row * W + column`, of
            the last call; None if they are not kept.

    >>> MaxPoolingLayer(2)(torch.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    def __init__(
        self,
        ksize: Size,
        strides: Size | None = None,
        padding: str = "VALID",
        *,
        get_argmax_idx: bool = False,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(ksize, strides, padding, "max", **options)
        self.get_argmax_idx = get_argmax_idx
        self.in_group_indices: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.get_argmax_idx:
            return super().forward(inputs)
        plan = _Plan((0, 0), (0, 0))
        if self._planned_sides is not None:
            plan = _plan((inputs.shape[2], inputs.shape[3]), self.ksize, self.strides)
        pooled, indices = functional.max_pool2d_with_indices(
            inputs,
            self.ksize,
            self.strides,
            plan.both_ends,
            ceil_mode=self._planned_sides is not None,
        )
        top, left = plan.dropped
        self.in_group_indices = indices[..., top:, left:]
        return pooled[..., top:, left:]


class AveragePoolingLayer(PoolingLayer):
    """The mean value of each window, of the pixels that it covers.

    Args:
        ksize: See `PoolingLayer`.
        strides: See `PoolingLayer`.
        padding: See `PoolingLayer`.
        options: The arguments of `Block`.

    >>> AveragePoolingLayer(2)(torch.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """

    def __init__(
        self,
        ksize: Size,
        strides: Size | None = None,
        padding: str = "VALID",
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(ksize, strides, padding, "avg", **options)


def takes_largest(block: Block) -> bool:
    """Say whether a block gives the largest value of each window, and nothing besides."""
    if type(block) is MaxPoolingLayer:
        return not block.get_argmax_idx
    return type(block) is PoolingLayer and block.kind == "max"


class GlobalPoolingLayer(Block):
    """The mean or the largest value of each channel.

    Args:
        type: "avg" or "max".
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, C)`.

    Raises:
        SetupError: If the type is unknown.
        ShapeError: When set up, if the input is not 4-D.

    >>> GlobalPoolingLayer()(torch.ones(8, 32, 7, 7)).shape
    torch.Size([8, 32])
    """

    NAME: ClassVar[str] = "pool"

    def __init__(
        self,
        type: str = "avg",  # noqa: A002 - as PoolingLayer
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if type not in TYPES:
            raise SetupError(f"{self.label}: expected type to be one of {TYPES}, got {type=!r}.")
        self.kind = type

    def _setup(self, inputs: Any) -> None:
        image(inputs, who=self.label)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean((2, 3)) if self.kind == "avg" else torch.amax(inputs, (2, 3))
