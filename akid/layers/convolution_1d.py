"""One-dimensional convolution: slide a window of weights along a sequence."""
# Shape legend: N = batch, C = channels, L = length.

from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.shape import (
    Padding,
    Size,
    check_window_fits,
    same_padding,
    to_length,
    to_padding,
)
from akid.layers.inputs import tensor_of_rank
from akid.layers.options import SynapseOptions
from akid.layers.synapse import SynapseLayer


class Convolution1DLayer(SynapseLayer):
    """One-dimensional convolution.

    Args:
        ksize: The window, as n, `[n]` or `[1, n, 1]`.
        strides: Its step, likewise.
        padding: "SAME" or "VALID", as TensorFlow defines them.
        dilation: The distance of the window's taps.
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Shape:
        input: `(N, C, L)`.
        output: `(N, out_channel_num, ceil(L / stride))` for SAME.
        weights: `(out_channel_num, C, n)`.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 3-D or shorter than a VALID window.

    >>> import torch
    >>> Convolution1DLayer(ksize=3, strides=2, out_channel_num=8)(torch.zeros(4, 2, 9)).shape
    torch.Size([4, 8, 5])
    """

    NAME: ClassVar[str] = "conv"

    def __init__(
        self,
        *,
        ksize: Size,
        strides: Size = 1,
        padding: str = "SAME",
        dilation: Size = 1,
        **synapse: Unpack[SynapseOptions],
    ) -> None:
        super().__init__(**synapse)
        self.ksize = to_length(ksize, who=self.label, what="ksize")
        self.strides = to_length(strides, who=self.label, what="strides")
        self.padding: Padding = to_padding(padding, who=self.label)
        self.dilation = to_length(dilation, who=self.label, what="dilation")

    def _setup(self, inputs: Any) -> None:
        x = tensor_of_rank(inputs, 3, who=self.label)
        channels, length = x.shape[1:]
        check_window_fits(
            (length,), (self.ksize,), self.padding, who=self.label, dilation=(self.dilation,)
        )
        self._allocate(
            (self.out_channel_num, channels, self.ksize),
            fan_in=channels * self.ksize,
            fan_out=self.out_channel_num * self.ksize,
            like=x,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        before = after = 0
        if self.padding == "SAME":
            before, after = same_padding(inputs.shape[2], self.ksize, self.strides, self.dilation)
        if after > before:
            inputs = functional.pad(inputs, (0, after - before))
        return functional.conv1d(
            inputs, self.weights, self.biases, self.strides, before, self.dilation
        )
