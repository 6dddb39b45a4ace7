"""Sugar: several layers under one call."""

from collections.abc import Mapping
from typing import Any, Final

from akid.core.block import Block
from akid.core.shape import Size
from akid.core.wiring import known
from akid.errors import SetupError
from akid.layers.activation import (
    ELULayer,
    GELULayer,
    LeakyReLULayer,
    ReLULayer,
    SELULayer,
    SigmoidLayer,
    SiLULayer,
    SoftplusLayer,
    TanhLayer,
)
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.collapse_out import CollapseOutLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.group_softmax import GroupSoftmaxLayer, SoftmaxNormalizationLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.layers.synapse import DEFAULT_INIT_PARA, DEFAULT_WD

_PLAIN: Final[Mapping[str, type[Block]]] = {
    "relu": ReLULayer,
    "lrelu": LeakyReLULayer,
    "elu": ELULayer,
    "selu": SELULayer,
    "gelu": GELULayer,
    "silu": SiLULayer,
    "softplus": SoftplusLayer,
    "sigmoid": SigmoidLayer,
    "tanh": TanhLayer,
}
_GROUPED: Final[Mapping[str, type[Block]]] = {
    "maxout": CollapseOutLayer,
    "ngsmax": SoftmaxNormalizationLayer,
    "gsmax": GroupSoftmaxLayer,
}
ACTIVATIONS: Final = (*_PLAIN, *_GROUPED)
"""The types of activation that `cnn_block` knows; the last three need a `group_size`."""


def cnn_block(  # noqa: PLR0917 - documented as they are
    ksize: Size | None = None,
    conv_padding: str = "SAME",
    initial_bias_value: float | None = 0.0,
    init_para: Mapping[str, Any] = DEFAULT_INIT_PARA,
    wd: Mapping[str, Any] | None = DEFAULT_WD,
    max_norm: float | None = None,
    out_channel_num: int = 32,
    pool_size: Size | None = (2, 2),
    pool_stride: Size | None = (2, 2),
    activation: Mapping[str, Any] | None = {"type": "relu"},
    activation_before_pooling: bool = False,
    keep_prob: float | None = None,
    bn: bool | Mapping[str, Any] | None = None,
) -> list[Block]:
    """Return the layers of one stage of a convolutional network, to be attached in one go.

    They are convolution, pooling, batch normalisation, activation and dropout, in this order; with
    `activation_before_pooling`, pooling comes after the activation. They have no names: the system
    that they are attached to numbers them.

    Args:
        ksize: The convolution's window; None takes an inner product instead, without pooling.
        conv_padding: The convolution's padding, "SAME" or "VALID".
        initial_bias_value: What each bias starts from; None for no biases.
        init_para: The law of the weights.
        wd: The regulariser of the weights; None for none.
        max_norm: The largest L2 norm of one output's weights; None for any.
        out_channel_num: How many channels, or units, the stage has before its activation.
        pool_size: The window of max pooling (SAME); None for no pooling.
        pool_stride: Its step.
        activation: `{"type": ...}`, with `"group_size"` for maxout, ngsmax and gsmax; other entries
            go to the layer; None for no activation.
        activation_before_pooling: Whether pooling comes last but dropout.
        keep_prob: Dropout's probability to keep a unit; None for no dropout.
        bn: Whether there is batch normalisation, or its arguments.

    Raises:
        SetupError: If the activation's type is unknown, or its group size is missing.

    >>> [type(layer).__name__ for layer in cnn_block(ksize=5, bn=True)]  # doctest: +ELLIPSIS
    ['ConvolutionLayer', 'MaxPoolingLayer', 'BatchNormalizationLayer', 'ReLULayer']
    """
    synapse: dict[str, Any] = {
        "out_channel_num": out_channel_num,
        "initial_bias_value": initial_bias_value,
        "init_para": init_para,
        "wd": wd,
        "max_norm": max_norm,
    }
    middle = [*_normalization(bn), *_activation(activation)]
    dropout = [] if keep_prob is None else [DropoutLayer(keep_prob)]
    if ksize is None:
        return [InnerProductLayer(**synapse), *middle, *dropout]
    conv = ConvolutionLayer(ksize=ksize, padding=conv_padding, **synapse)
    pool = [] if pool_size is None else [MaxPoolingLayer(pool_size, pool_stride, "SAME")]
    if activation_before_pooling:
        return [conv, *middle, *pool, *dropout]
    return [conv, *pool, *middle, *dropout]


def _normalization(bn: bool | Mapping[str, Any] | None) -> list[Block]:
    if bn is None or bn is False:
        return []
    if bn is True:
        return [BatchNormalizationLayer()]
    if not isinstance(bn, Mapping):
        raise SetupError(
            "cnn_block: expected bn to be True, False, None, or the arguments of"
            f" BatchNormalizationLayer as a dict, got {bn=!r}."
        )
    return [BatchNormalizationLayer(**bn)]


def _activation(activation: Mapping[str, Any] | None) -> list[Block]:
    if activation is None:
        return []
    if not isinstance(activation, Mapping) or "type" not in activation:
        raise SetupError(
            f'cnn_block: expected activation as {{"type": ...}} or None, got {activation=!r};'
            f" {known('', ACTIVATIONS)}"
        )
    options: dict[str, Any] = {key: value for key, value in activation.items() if key != "type"}
    kind = activation["type"]
    if kind in _PLAIN:
        return [_make(_PLAIN[kind], options, activation)]
    if kind not in _GROUPED:
        raise SetupError(
            "cnn_block: expected an activation of a type that is known, got"
            f" {activation=!r}; {known(kind, ACTIVATIONS)}"
        )
    if "group_size" not in options:
        raise SetupError(
            f'cnn_block: expected "group_size" with the activation {kind!r}, got {activation=!r};'
            f' give for example {{"type": {kind!r}, "group_size": 2}}.'
        )
    return [_make(_GROUPED[kind], options, activation)]


def _make(layer: type[Block], options: Mapping[str, Any], activation: Mapping[str, Any]) -> Block:
    try:
        return layer(**options)
    except TypeError as error:
        raise SetupError(
            f"cnn_block: expected arguments of {layer.__name__} beside the type, got"
            f" {activation=!r}: {error}."
        ) from error
