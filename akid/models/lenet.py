"""LeNet: two convolutions and two inner products, for small grey images of digits."""

from typing import Any

from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.pooling import MaxPoolingLayer


class LeNet(Brain):
    """Two stages of convolution, ReLU and max pooling; 512 units; a softmax loss over ten classes.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 1,663,370 parameters for 28 x 28 grey images.
        output: The loss, `()`.

    >>> import torch
    >>> brain = LeNet(name="Brain")
    >>> brain.setup([torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64)])
    >>> brain.num_parameters()
    1663370
    """

    def __init__(self, *, class_num: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.attach(
            ConvolutionLayer(ksize=5, out_channel_num=32, name="conv1"),
            ReLULayer(name="relu1"),
            MaxPoolingLayer(2, 2, "SAME", name="pool1"),
            ConvolutionLayer(ksize=5, out_channel_num=64, name="conv2"),
            ReLULayer(name="relu2"),
            MaxPoolingLayer(5, 2, "SAME", name="pool2"),
            InnerProductLayer(out_channel_num=512, name="ip1"),
            ReLULayer(name="relu3"),
            InnerProductLayer(out_channel_num=class_num, name="ip2"),
            SoftmaxWithLossLayer(
                class_num=class_num,
                inputs=[{"name": "ip2", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
                name="loss",
            ),
        )
