"""The net of TensorFlow's MNIST tutorial: LeNet with dropout."""

from collections.abc import Mapping
from typing import Any

from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.layers.synapse import DEFAULT_INIT_PARA
from akid.models.head import loss_of


class MnistTfTutorialNet(Brain):
    """LeNet's layers, with dropout after the 512 units and biases that start from 0.1.

    Args:
        init_para: The law of the weights.
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 1,663,370 parameters for 28 x 28 grey images.
        output: The loss, `()`.
    """

    def __init__(
        self,
        *,
        init_para: Mapping[str, Any] = DEFAULT_INIT_PARA,
        class_num: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        synapse: dict[str, Any] = {
            "init_para": init_para,
            "wd": {"type": "l2", "scale": 5e-4},
            "initial_bias_value": 0.1,
        }
        self.attach(
            ConvolutionLayer(
                ksize=5, out_channel_num=32, name="conv1", **synapse | {"initial_bias_value": 0.0}
            ),
            ReLULayer(name="relu1"),
            MaxPoolingLayer(2, 2, "SAME", name="pool1"),
            ConvolutionLayer(ksize=5, out_channel_num=64, name="conv2", **synapse),
            ReLULayer(name="relu2"),
            MaxPoolingLayer(5, 2, "SAME", name="pool2"),
            InnerProductLayer(out_channel_num=512, name="ip1", **synapse),
            ReLULayer(name="relu3"),
            DropoutLayer(0.5, name="dropout1"),
            InnerProductLayer(out_channel_num=class_num, name="ip2", **synapse),
            loss_of("ip2", class_num),
        )
