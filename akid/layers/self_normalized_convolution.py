"""Self-normalised convolution: a convolution whose outputs are standardised before the bias."""

from typing import ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.shape import Size
from akid.layers.convolution import ConvolutionLayer
from akid.layers.options import SynapseOptions


class SelfNormalizedConvolutionLayer(ConvolutionLayer):
    """Convolve, bring each output channel to mean 0 and variance 1 over the batch, add the bias.

    The batch's own mean and variance are taken in evaluation too: there are no running averages.

    Args:
        ksize: See `ConvolutionLayer`.
        strides: See `ConvolutionLayer`.
        padding: See `ConvolutionLayer`.
        depthwise: See `ConvolutionLayer`.
        eps: Added to the variance.
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Shape:
        input: `(N, C, H, W)`.
        output: as of `ConvolutionLayer`.

    >>> import torch
    >>> conv = SelfNormalizedConvolutionLayer(ksize=3, out_channel_num=4, initial_bias_value=2.0)
    >>> conv(torch.rand(8, 3, 6, 6)).mean().round(decimals=3).item()
    2.0
    """

    NAME: ClassVar[str] = "snconv"

    def __init__(
        self,
        *,
        ksize: Size,
        strides: Size = 1,
        padding: str = "SAME",
        depthwise: bool = False,
        eps: float = 1e-5,
        **synapse: Unpack[SynapseOptions],
    ) -> None:
        super().__init__(
            ksize=ksize, strides=strides, padding=padding, depthwise=depthwise, **synapse
        )
        self.eps = eps

    def forward(self, inputs: Tensor) -> Tensor:
        convolved = self._convolve(inputs, None)
        return functional.batch_norm(
            convolved, None, None, None, self.biases, training=True, eps=self.eps
        )
