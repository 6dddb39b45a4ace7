"""Convolution: slide a window of weights over an image."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.shape import (
    Padding,
    Size,
    check_window_fits,
    output_size,
    same_padding,
    to_padding,
    to_pair,
)
from akid.errors import SetupError
from akid.layers.inputs import image
from akid.layers.options import SynapseOptions
from akid.layers.synapse import SynapseLayer


class ConvolutionLayer(SynapseLayer):
    """Two-dimensional convolution (cross-correlation, as everywhere in deep learning).

    Args:
        ksize: The window, as n, `[h, w]` or `[1, h, w, 1]`.
        strides: Its step, likewise.
        padding: "SAME" or "VALID", as TensorFlow defines them.
        dilation: The distance of the window's taps, likewise.
        groups: In how many groups the channels are split, each with its own outputs.
        depthwise: One group for each input channel.
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, out_channel_num, ceil(H / stride), ceil(W / stride))` for SAME.
        weights: `(out_channel_num, C / groups, h, w)`.

    Raises:
        SetupError: If an argument is wrong, or the channels do not divide into the groups.
        ShapeError: When set up, if the input is not 4-D or smaller than a VALID window.

    >>> import torch
    >>> conv = ConvolutionLayer(ksize=5, strides=[1, 2, 2, 1], out_channel_num=32, name="conv1")
    >>> conv(torch.zeros(8, 1, 28, 28)).shape
    torch.Size([8, 32, 14, 14])
    """

    NAME: ClassVar[str] = "conv"

    def __init__(
        self,
        *,
        ksize: Size,
        strides: Size = 1,
        padding: str = "SAME",
        dilation: Size = 1,
        groups: int = 1,
        depthwise: bool = False,
        **synapse: Unpack[SynapseOptions],
    ) -> None:
        super().__init__(**synapse)
        self.ksize = to_pair(ksize, who=self.label, what="ksize")
        self.strides = to_pair(strides, who=self.label, what="strides")
        self.padding: Padding = to_padding(padding, who=self.label)
        self.dilation = to_pair(dilation, who=self.label, what="dilation")
        self.groups = groups
        self.depthwise = depthwise
        self._padded_sides: tuple[int, int] | None = None
        self._paddings = ((0, 0), (0, 0))

    def _setup(self, inputs: Any) -> None:
        x = image(inputs, who=self.label)
        channels, sides = x.shape[1], (x.shape[2], x.shape[3])
        if self.depthwise:
            self.groups = channels
        self._check_groups(channels)
        check_window_fits(sides, self.ksize, self.padding, who=self.label, dilation=self.dilation)
        if self.padding == "SAME":
            self._padded_sides, self._paddings = sides, self._same_paddings(*sides)
        area = self.ksize[0] * self.ksize[1]
        self._allocate(
            (self.out_channel_num, channels // self.groups, *self.ksize),
            fan_in=channels // self.groups * area,
            fan_out=self.out_channel_num // self.groups * area,
            like=x,
        )

    def _check_groups(self, channels: int) -> None:
        if self.groups < 1 or channels % self.groups or self.out_channel_num % self.groups:
            raise SetupError(
                f"{self.label}: expected groups that divide the {channels} input channels and"
                f" out_channel_num={self.out_channel_num}, got groups={self.groups!r}."
            )

    def _same_paddings(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return what conv2d pads on both ends of each side, and what is to add at the far end."""
        (top, bottom), (left, right) = (
            same_padding(*side)
            for side in zip((height, width), self.ksize, self.strides, self.dilation, strict=True)
        )
        return (top, left), (bottom - top, right - left)

    def probe(self, inputs: Any) -> Tensor:
        """Set up and give zeros of the output's shape: most of the work is left out."""
        if type(self).forward is not ConvolutionLayer.forward:
            return super().probe(inputs)  # type: ignore[no-any-return]
        self.setup(inputs)
        sides = zip(inputs.shape[2:], self.ksize, self.strides, self.dilation, strict=True)
        shape = [output_size(px, k, step, self.padding, gap) for px, k, step, gap in sides]
        output: Tensor = inputs.new_zeros((inputs.shape[0], self.out_channel_num, *shape))
        return output

    def forward(self, inputs: Tensor) -> Tensor:
        return self._convolve(inputs, self.biases)

    def _convolve(self, inputs: Tensor, biases: Tensor | None) -> Tensor:
        both_ends, far_end = self._paddings
        if self._padded_sides is not None and inputs.shape[2:] != self._padded_sides:
            both_ends, far_end = self._same_paddings(inputs.shape[2], inputs.shape[3])
        if far_end != (0, 0):
            inputs = functional.pad(inputs, (0, far_end[1], 0, far_end[0]))
        return functional.conv2d(
            inputs, self.weights, biases, self.strides, both_ends, self.dilation, self.groups
        )
