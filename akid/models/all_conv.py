"""All-convolutional nets: strides instead of pooling, and no inner product."""

from collections.abc import Mapping
from typing import Any, Final

from akid.core.block import Block
from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.pooling import GlobalPoolingLayer
from akid.models.head import loss_of

_SYNAPSE: Final[Mapping[str, Any]] = {
    "init_para": {"name": "xavier"},
    "wd": {"type": "l2", "scale": 1e-3},
}


class AllConvNet(Brain):
    """Nine convolutions, for CIFAR-10.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 1,369,738 parameters for 3 channels.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.attach(DropoutLayer(0.8))
        for channel_num in (96, 192):
            self.attach(
                _convolution(3, channel_num),
                _convolution(3, channel_num),
                _convolution(3, channel_num, strides=2),
                DropoutLayer(0.5),
            )
        self.attach(_convolution(3, 192), _convolution(1, 192), _logits(class_num))


class ImagenetAllConvNet(Brain):
    """Twelve convolutions, for ImageNet.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`, made for 3 x 224 x 224.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 1000, **options: Any) -> None:
        super().__init__(**options)
        for ksize, channel_num, strides in ((11, 96, 4), (5, 256, 1), (3, 384, 1)):
            self.attach(
                _convolution(ksize, channel_num, strides=strides),
                _convolution(1, channel_num),
                _convolution(3, channel_num, strides=2),
            )
        self.attach(DropoutLayer(0.5), _convolution(3, 1024), _convolution(1, 1024))
        self.attach(_logits(class_num))


def _convolution(ksize: int, channel_num: int, *, strides: int = 1) -> list[Block]:
    conv = ConvolutionLayer(ksize=ksize, strides=strides, out_channel_num=channel_num, **_SYNAPSE)
    return [conv, ReLULayer()]


def _logits(class_num: int) -> list[Block]:
    return [
        ConvolutionLayer(ksize=1, out_channel_num=class_num, **_SYNAPSE),
        GlobalPoolingLayer(name="logits"),
        loss_of("logits", class_num),
    ]
