"""Residual networks for ImageNet: 18 to 200 layers, of basic units or of bottlenecks."""

from typing import Any, Final

from akid.core.block import Block
from akid.core.brain import Brain
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.merge import MergeLayer
from akid.layers.pooling import GlobalPoolingLayer, MaxPoolingLayer
from akid.models.head import loss_of

_UNITS: Final = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
_FIRST_BOTTLENECK: Final = 50
_EXPANSION: Final = 4


class ImagenetResNet(Brain):
    """Four stages of residual units: of two convolutions up to 34 layers, then bottlenecks.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        width: What a bottleneck's inner channels are multiplied by; basic units take 1 only.
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`, made for 3 x 224 x 224; 11,689,512 parameters
            for depth 18, 25,557,032 for 50 (1000 classes), 68,883,240 for 50 of width 2.
        output: The loss, `()`.

    Raises:
        SetupError: If the depth is unknown, or basic units are to be wide.
    """

    def __init__(
        self, *, depth: int = 50, width: int = 1, class_num: int = 1000, **options: Any
    ) -> None:
        super().__init__(**options)
        if depth not in _UNITS:
            raise SetupError(
                f"{self.label}: expected depth to be one of {list(_UNITS)}, got {depth=!r}."
            )
        self._is_bottleneck = depth >= _FIRST_BOTTLENECK
        if width != 1 and not self._is_bottleneck:
            raise SetupError(f"{self.label}: expected width=1 for {depth=!r}, got {width=!r}.")
        self.attach(
            _convolution("conv0", 7, 64, strides=2),
            ReLULayer(name="relu0"),
            MaxPoolingLayer(3, 2, "SAME", name="pool0"),
        )
        before = 64
        for stage, unit_num in enumerate(_UNITS[depth]):
            inner = 64 * 2**stage
            outer = inner * _EXPANSION if self._is_bottleneck else inner
            for unit in range(unit_num):
                strides = 2 if stage and not unit else 1
                name = f"res{stage + 1}_{unit + 1}"
                self._attach_unit(name, before, inner * width, outer, strides)
                before = outer
        self.attach(
            GlobalPoolingLayer(name="pool"),
            InnerProductLayer(
                out_channel_num=class_num,
                init_para={"name": "msra"},
                wd={"type": "l2", "scale": 1e-4},
                name="ip",
            ),
            loss_of("ip", class_num),
        )

    def _attach_unit(self, name: str, before: int, inner: int, outer: int, strides: int) -> None:
        """Attach a unit; its input is what was attached last."""
        stem = self.get_last_layer_name()
        if self._is_bottleneck:
            self.attach(
                _convolution(f"{name}a", 1, inner),
                ReLULayer(name=f"{name}a_relu"),
                _convolution(f"{name}b", 3, inner, strides=strides),
                ReLULayer(name=f"{name}b_relu"),
                _convolution(f"{name}c", 1, outer),
            )
        else:
            self.attach(
                _convolution(f"{name}a", 3, inner, strides=strides),
                ReLULayer(name=f"{name}a_relu"),
                _convolution(f"{name}b", 3, outer),
            )
        branch = self.get_last_layer_name()
        if before != outer:
            self.attach(_convolution(f"{name}_proj", 1, outer, strides=strides, stem=stem))
            stem = self.get_last_layer_name()
        self.attach(
            MergeLayer(inputs=[{"name": branch}, {"name": stem}], name=f"{name}_sum"),
            ReLULayer(name=name),
        )


def _convolution(
    name: str, ksize: int, channel_num: int, *, strides: int = 1, stem: str | None = None
) -> list[Block]:
    return [
        ConvolutionLayer(
            ksize=ksize,
            strides=strides,
            out_channel_num=channel_num,
            initial_bias_value=None,
            init_para={"name": "msra"},
            wd={"type": "l2", "scale": 1e-4},
            inputs=None if stem is None else [{"name": stem}],
            name=f"{name}_conv",
        ),
        BatchNormalizationLayer(name=f"{name}_bn"),
    ]
