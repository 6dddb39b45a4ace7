"""OneLayerBrain: one convolution and one inner product, the documentation's first brain."""

from typing import Any

from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.pooling import PoolingLayer


class OneLayerBrain(Brain):
    """A convolution, ReLU, max pooling, an inner product and a softmax loss over ten classes.

    Args:
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 12,362 parameters for 28 x 28 grey images.
        output: The loss, `()`.

    >>> import torch
    >>> brain = OneLayerBrain(name="brain")
    >>> brain.setup([torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64)])
    >>> brain.num_parameters()
    12362
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.attach(
            ConvolutionLayer(
                ksize=[5, 5],
                strides=[1, 1, 1, 1],
                padding="SAME",
                out_channel_num=32,
                name="conv1",
            )
        )
        self.attach(ReLULayer(name="relu1"))
        self.attach(
            PoolingLayer(ksize=[1, 5, 5, 1], strides=[1, 5, 5, 1], padding="SAME", name="pool1")
        )
        self.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
        self.attach(
            SoftmaxWithLossLayer(
                class_num=10,
                inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
                name="loss",
            )
        )
