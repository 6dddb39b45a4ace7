"""Transposed convolution: a strided convolution backwards, from a small image to a large one."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.shape import Padding, Size, to_padding, to_pair
from akid.layers.inputs import image
from akid.layers.options import SynapseOptions
from akid.layers.synapse import SynapseLayer


class TransposedConvolutionLayer(SynapseLayer):
    """The transpose of the convolution with these sizes ("deconvolution").

    It maps what that convolution gives to what it takes: with SAME, sides grow by the strides. What
    is cut off is what that convolution would have padded: the odd one at the right and below.

    Args:
        ksize: The window, as n, `[h, w]` or `[1, h, w, 1]`.
        strides: Its step, likewise.
        padding: "SAME" or "VALID", as TensorFlow defines them.
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, out_channel_num, H * stride, W * stride)`; for VALID, sides are longer by
            `max(ksize - stride, 0)`.
        weights: `(C, out_channel_num, h, w)`, as torch has them.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 4-D.

    >>> import torch
    >>> up = TransposedConvolutionLayer(ksize=3, strides=2, out_channel_num=8)
    >>> up(torch.zeros(4, 2, 7, 7)).shape
    torch.Size([4, 8, 14, 14])
    """

    NAME: ClassVar[str] = "deconv"
    _OUTPUT_DIM = 1

    def __init__(
        self,
        *,
        ksize: Size,
        strides: Size = 1,
        padding: str = "SAME",
        **synapse: Unpack[SynapseOptions],
    ) -> None:
        super().__init__(**synapse)
        self.ksize = to_pair(ksize, who=self.label, what="ksize")
        self.strides = to_pair(strides, who=self.label, what="strides")
        self.padding: Padding = to_padding(padding, who=self.label)
        extra = [k - s for k, s in zip(self.ksize, self.strides, strict=True)]
        cut = [max(pixels, 0) if self.padding == "SAME" else 0 for pixels in extra]
        self._cut_at_both_ends = (cut[0] // 2, cut[1] // 2)
        self._cut_at_far_end = (cut[0] % 2, cut[1] % 2)
        self._added_at_far_end = (max(-extra[0], 0), max(-extra[1], 0))

    def _setup(self, inputs: Any) -> None:
        x = image(inputs, who=self.label)
        channels, area = x.shape[1], self.ksize[0] * self.ksize[1]
        self._allocate(
            (channels, self.out_channel_num, *self.ksize),
            fan_in=channels * area,
            fan_out=self.out_channel_num * area,
            like=x,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        grown = functional.conv_transpose2d(
            inputs,
            self.weights,
            self.biases,
            self.strides,
            self._cut_at_both_ends,
            self._added_at_far_end,
        )
        bottom, right = self._cut_at_far_end
        if bottom or right:
            grown = grown[..., : grown.shape[2] - bottom, : grown.shape[3] - right]
        return grown
