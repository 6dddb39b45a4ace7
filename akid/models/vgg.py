"""VGG: small convolutions in stages of two or three, each normalised, and two inner products."""

from typing import Any, Final

from akid.core.block import Block
from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.models.head import LossSpec, loss_of

_STAGES: Final = (
    (64, (0.7, None)),
    (128, (0.6, None)),
    (256, (0.6, 0.6, None)),
    (512, (0.6, 0.6, None)),
)
"""The channels of each stage, and after each of its convolutions the dropout's keep_prob."""


class VGGNet(Brain):
    """Ten convolutions in four stages, for CIFAR-10; the loss reads the last normalisation.

    Args:
        class_num: How many classes there are.
        loss_layer: Another loss than softmax and cross entropy, as `(class, arguments)`.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 8,695,902 parameters for 3 x 32 x 32.
        output: The loss, `()`.
    """

    def __init__(
        self, *, class_num: int = 10, loss_layer: LossSpec | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        for channel_num, keep_probs in _STAGES:
            for keep_prob in keep_probs:
                self.attach(_convolution(channel_num, keep_prob))
            self.attach(MaxPoolingLayer(2, 2, "SAME"))
        self.attach(
            DropoutLayer(0.5),
            InnerProductLayer(out_channel_num=512, wd=None, name="ip1"),
            BatchNormalizationLayer(),
            ReLULayer(),
            DropoutLayer(0.5),
            InnerProductLayer(out_channel_num=class_num, wd=None, name="ip2"),
            BatchNormalizationLayer(name="bn_out"),
            loss_of("bn_out", class_num, loss_layer),
        )


def _convolution(channel_num: int, keep_prob: float | None) -> list[Block]:
    conv = ConvolutionLayer(
        ksize=3,
        out_channel_num=channel_num,
        init_para={"name": "truncated_normal", "stddev": 1e-4},
        wd={"type": "l2", "scale": 5e-4},
    )
    dropout = [] if keep_prob is None else [DropoutLayer(keep_prob)]
    return [conv, BatchNormalizationLayer(), ReLULayer(), *dropout]
