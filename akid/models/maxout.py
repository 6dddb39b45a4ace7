"""Maxout networks: each unit is the largest of a group; trained with much dropout."""

from collections.abc import Mapping
from typing import Any, Final

from akid.core.brain import Brain
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.models.head import loss_of
from akid.sugar import cnn_block

_UNIFORM: Final[Mapping[str, Any]] = {"name": "uniform", "range": 0.005}
_KSIZES: Final = (8, 8, 5)
_POOL_SIZES: Final = (4, 4, 2)
_MAX_NORMS: Final = (0.9, 1.9365, 1.9365, 1.9, 1.9365)


class CifarMaxoutNet(Brain):
    """Three convolutions and a hidden inner product, for CIFAR-10 after GCN and ZCA whitening.

    Args:
        activation: "maxout"; or "relu" for the twin that has ReLU and 500 units in its place.
        max_norm: Whether the weights are kept in balls instead of decayed.
        init_para: The law of the weights.
        keep_probs: The probabilities to keep a pixel, and a unit after each of the four stages.
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 11,927,830 parameters for 3 x 32 x 32.
        output: The loss, `()`.
    """

    def __init__(
        self,
        *,
        activation: str = "maxout",
        max_norm: bool = False,
        init_para: Mapping[str, Any] = _UNIFORM,
        keep_probs: tuple[float, float, float, float, float] = (0.8, 0.5, 0.5, 0.5, 0.5),
        class_num: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        is_maxout = activation == "maxout"
        max_norms = _MAX_NORMS if max_norm else (None,) * 5
        self.attach(DropoutLayer(keep_probs[0]))
        for stage, channel_num in enumerate((192, 384, 384)):
            self.attach(
                cnn_block(
                    ksize=_KSIZES[stage],
                    init_para=init_para,
                    wd=None if max_norm else {"type": "l2", "scale": 5e-4},
                    max_norm=max_norms[stage],
                    out_channel_num=channel_num,
                    pool_size=_POOL_SIZES[stage],
                    pool_stride=2,
                    activation=_activation(activation, 2),
                    keep_prob=keep_probs[stage + 1],
                )
            )
        self.attach(
            cnn_block(
                init_para=init_para,
                wd=None if max_norm else {"type": "l2", "scale": 0.004},
                max_norm=max_norms[3],
                out_channel_num=2500 if is_maxout else 500,
                activation=_activation(activation, 5),
                keep_prob=keep_probs[4],
            ),
            InnerProductLayer(
                out_channel_num=class_num,
                init_para=init_para,
                wd=None,
                max_norm=max_norms[4],
                name="ip2",
            ),
            loss_of("ip2", class_num),
        )


class MnistMaxoutNet(Brain):
    """Three convolutions with batch normalisation, whose scale is fixed, for MNIST.

    Args:
        class_num: How many classes there are.
        options: The arguments of `Brain`.

    Shape:
        input: `[images (N, C, H, W), labels (N,)]`; 420,682 parameters for 28 x 28 grey images.
        output: The loss, `()`.
    """

    def __init__(self, *, class_num: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.attach(DropoutLayer(0.8))
        for stage, group_size in enumerate((2, 2, 4)):
            self.attach(
                cnn_block(
                    ksize=_KSIZES[stage],
                    init_para=_UNIFORM,
                    out_channel_num=96,
                    pool_size=_POOL_SIZES[stage],
                    pool_stride=2,
                    activation=_activation("maxout", group_size),
                    keep_prob=0.5,
                    bn={"gamma_init": 1.0, "fix_gamma": True},
                )
            )
        self.attach(
            InnerProductLayer(out_channel_num=class_num, init_para=_UNIFORM, name="ip1"),
            loss_of("ip1", class_num),
        )


def _activation(kind: str, group_size: int) -> Mapping[str, Any]:
    return {"type": kind, "group_size": group_size} if kind == "maxout" else {"type": kind}
