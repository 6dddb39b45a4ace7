"""Residual networks for CIFAR: wide, and normalised before each convolution."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from akid.core.block import Block
from akid.core.brain import Brain
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.collapse_out import CollapseOutLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.group_softmax import GroupSoftmaxLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.merge import MergeLayer
from akid.layers.padding import PaddingLayer
from akid.layers.pooling import AveragePoolingLayer, GlobalPoolingLayer
from akid.models.head import loss_of

_SUPER_CLASS_SIZE: Final = 5


class CifarResNet(Brain):
    """A wide residual network, WRN-`depth`-`width`: three stages of units of two convolutions.

    A unit normalises and activates before each convolution, and adds its input to the result. The
    first unit of a stage halves the image (but in the first stage) and widens the channels.

    Args:
        depth: 6n + 4 layers make n units a stage.
        width: What the stages' channels, 16, 32 and 64, are multiplied by.
        class_num: How many classes there are.
        dropout_prob: The probability to drop a value before a unit's second convolution.
        projection_shortcut: Whether a unit whose channels change adds a 1 x 1 convolution of its
            input; otherwise it adds the average pooled input, padded by channels of zeros.
        use_gsmax: Whether group softmax takes the place of each ReLU.
        group_size: The size of its groups.
        pool_size: The window of the last pooling; None pools the whole image.
        h_loss: Whether five classes each, in their order, make a super-class that is learnt too;
            labels are then `[super-classes, classes]`.
        h_ratio: With `h_loss`, the share of the classes' loss.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`, or with `h_loss` the two kinds of labels; for
            3 x 32 x 32, WRN-16-1 has 175,066 parameters, WRN-28-2 1,467,610, WRN-28-10 36,479,194.
        output: The loss, `()`.

    Raises:
        SetupError: If the depth is not 6n + 4, or with `h_loss` five does not divide `class_num`.
    """

    def __init__(
        self,
        *,
        depth: int = 28,
        width: int = 2,
        class_num: int = 10,
        dropout_prob: float | None = None,
        projection_shortcut: bool = True,
        use_gsmax: bool = False,
        group_size: int = 4,
        pool_size: int | None = None,
        h_loss: bool = False,
        h_ratio: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if depth < 10 or (depth - 4) % 6:
            raise SetupError(
                f"{self.label}: expected a depth of 6n + 4, such as 16, 28 or 40, got {depth=!r}."
            )
        if h_loss and class_num % _SUPER_CLASS_SIZE:
            raise SetupError(
                f"{self.label}: expected a class_num that {_SUPER_CLASS_SIZE} divides with h_loss,"
                f" got {class_num=!r}."
            )
        self.dropout_prob = dropout_prob
        self.projection_shortcut = projection_shortcut
        self.gsmax_group_size = group_size if use_gsmax else None
        self.attach(self._convolution(16, "conv0"))
        channel_num = 16
        for stage in range(3):
            for unit in range((depth - 4) // 6):
                before, channel_num = channel_num, 16 * width * 2**stage
                strides = 2 if stage and not unit else 1
                shares = not unit and (projection_shortcut or not stage)
                self._attach_unit(
                    f"res{stage + 1}_{unit + 1}", before, channel_num, strides, shares
                )
        self.attach(self._activated("out"))
        self.attach(
            GlobalPoolingLayer(name="pool")
            if pool_size is None
            else AveragePoolingLayer(pool_size, name="pool")
        )
        self._attach_head(class_num, h_loss=h_loss, h_ratio=h_ratio)

    def _attach_unit(
        self, name: str, before: int, channel_num: int, strides: int, shares_activation: bool
    ) -> None:
        """Attach a unit; its input is what was attached last.

        With `shares_activation`, both branches read the normalised and activated input.
        """
        start = self.get_last_layer_name()
        self.attach(self._activated(f"{name}a"))
        stem = f"{name}a_act" if shares_activation else start
        self.attach(self._convolution(channel_num, f"{name}a_conv", strides=strides))
        self.attach(self._activated(f"{name}b"))
        if self.dropout_prob is not None:
            self.attach(DropoutLayer(1 - self.dropout_prob, name=f"{name}b_dropout"))
        self.attach(self._convolution(channel_num, f"{name}b_conv"))
        shortcut = self._shortcut(name, stem, before, channel_num, strides)
        self.attach(shortcut)
        stem = shortcut[-1].label if shortcut else stem
        self.attach(MergeLayer(inputs=[{"name": f"{name}b_conv"}, {"name": stem}], name=name))

    def _shortcut(
        self, name: str, stem: str, before: int, channel_num: int, strides: int
    ) -> list[Block]:
        inputs = [{"name": stem}]
        if before == channel_num and strides == 1:
            return []
        if self.projection_shortcut:
            conv = self._convolution(channel_num, f"{name}_proj", 1, strides, inputs=inputs)
            return [conv]
        pad = (channel_num - before) // 2
        pool = AveragePoolingLayer(strides, padding="SAME", inputs=inputs, name=f"{name}_pool")
        return [pool, PaddingLayer([0, 0, pad], name=f"{name}_pad")]

    def _convolution(
        self,
        channel_num: int,
        name: str,
        ksize: int = 3,
        strides: int = 1,
        inputs: Sequence[dict[str, Any]] | None = None,
    ) -> ConvolutionLayer:
        return ConvolutionLayer(
            ksize=ksize,
            strides=strides,
            out_channel_num=channel_num,
            initial_bias_value=None,
            inputs=inputs,
            name=name,
            **self._synapse,
        )

    @property
    def _synapse(self) -> Mapping[str, Any]:
        scale = 5e-4 if self.projection_shortcut else 2e-4
        return {"init_para": {"name": "msra"}, "wd": {"type": "l2", "scale": scale}}

    def _activated(self, name: str) -> list[Block]:
        group_size = self.gsmax_group_size
        return [
            BatchNormalizationLayer(name=f"{name}_bn"),
            ReLULayer(name=f"{name}_act")
            if group_size is None
            else GroupSoftmaxLayer(group_size, name=f"{name}_act"),
        ]

    def _attach_head(self, class_num: int, *, h_loss: bool, h_ratio: float) -> None:
        self.attach(InnerProductLayer(out_channel_num=class_num, name="ip", **self._synapse))
        if not h_loss:
            self.attach(loss_of("ip", class_num))
            return
        self.attach(
            CollapseOutLayer(_SUPER_CLASS_SIZE, "average_out", name="super"),
            SoftmaxWithLossLayer(
                class_num=class_num // _SUPER_CLASS_SIZE,
                multiplier=1 - h_ratio,
                inputs=[{"name": "super"}, {"name": "system_in", "idxs": [1]}],
                name="super_loss",
            ),
            SoftmaxWithLossLayer(
                class_num=class_num,
                multiplier=h_ratio,
                inputs=[{"name": "ip"}, {"name": "system_in", "idxs": [2]}],
                name="loss",
            ),
        )
