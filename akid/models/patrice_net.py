"""PatriceNet: one hidden layer of 800 units, for digits."""

from typing import Any

from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.inner_product import InnerProductLayer
from akid.models.head import loss_of


class PatriceNet(Brain):
    """An inner product to 800 units, ReLU, and an inner product to the classes.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, ...), labels (N,)]`; 636,010 parameters for 28 x 28 grey images.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.attach(
            InnerProductLayer(out_channel_num=800, name="ip1"),
            ReLULayer(name="relu1"),
            InnerProductLayer(out_channel_num=class_num, name="ip2"),
            loss_of("ip2", class_num),
        )
