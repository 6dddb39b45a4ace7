"""AlexNet: convolutions of large windows, pooled and normalised, and three inner products."""

from collections.abc import Mapping
from typing import Any

from akid.core.block import Block
from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.normalization import LRNLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.models.head import loss_of


def _normal(stddev: float) -> Mapping[str, Any]:
    return {"name": "truncated_normal", "stddev": stddev}


class CifarAlexNet(Brain):
    """The small one, for crops of 24 x 24 pixels of CIFAR-10.

    There is no ReLU after the second inner product.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 1,068,298 parameters for 3 x 24 x 24.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 10, **options: Any) -> None:
        super().__init__(**options)
        decay = {"type": "l2", "scale": 0.004}
        self.attach(
            _small_convolution("conv1", bias=0.0),
            ReLULayer(name="relu1"),
            MaxPoolingLayer(3, 2, "SAME", name="pool1"),
            LRNLayer(name="lrn1"),
            _small_convolution("conv2", bias=0.1),
            ReLULayer(name="relu2"),
            LRNLayer(name="lrn2"),
            MaxPoolingLayer(3, 2, "SAME", name="pool2"),
            InnerProductLayer(
                out_channel_num=384,
                initial_bias_value=0.1,
                init_para=_normal(0.04),
                wd=decay,
                name="ip1",
            ),
            ReLULayer(name="relu3"),
            InnerProductLayer(
                out_channel_num=192,
                initial_bias_value=0.1,
                init_para=_normal(0.04),
                wd=decay,
                name="ip2",
            ),
            InnerProductLayer(
                out_channel_num=class_num, init_para=_normal(1 / 192), wd=None, name="ip3"
            ),
            loss_of("ip3", class_num),
        )


def _small_convolution(name: str, *, bias: float) -> ConvolutionLayer:
    return ConvolutionLayer(
        ksize=5,
        out_channel_num=64,
        initial_bias_value=bias,
        init_para=_normal(1e-4),
        wd=None,
        name=name,
    )


class AlexNet(Brain):
    """The large one, for ImageNet.

    Args:
        class_num: How many classes there are.
        unit_num: How many units the two hidden inner products have.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`, made for 3 x 224 x 224.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 1000, unit_num: int = 4096, **options: Any) -> None:
        super().__init__(**options)
        synapse: dict[str, Any] = {
            "init_para": {"name": "xavier"},
            "wd": {"type": "l2", "scale": 1e-4},
        }
        self.attach(
            ConvolutionLayer(ksize=11, strides=4, padding="VALID", out_channel_num=64, **synapse),
            ReLULayer(),
            MaxPoolingLayer(3, 2),
            _convolution(5, 192, synapse),
            MaxPoolingLayer(3, 2),
            _convolution(3, 384, synapse),
            _convolution(3, 256, synapse),
            _convolution(3, 256, synapse),
            MaxPoolingLayer(3, 2),
        )
        for _ in range(2):
            self.attach(
                DropoutLayer(0.5),
                InnerProductLayer(out_channel_num=unit_num, **synapse),
                ReLULayer(),
            )
        self.attach(InnerProductLayer(out_channel_num=class_num, **synapse))
        self.attach(loss_of("ip3", class_num))


def _convolution(ksize: int, out_channel_num: int, synapse: Mapping[str, Any]) -> list[Block]:
    return [
        ConvolutionLayer(ksize=ksize, out_channel_num=out_channel_num, **synapse),
        ReLULayer(),
    ]
