"""akid: train every combination of a templated `setup`, and compare the results.

This file is a table of contents: each public name is loaded from its module on first use, so that
`import akid` loads neither torch nor Ray nor MLflow.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from akid.tuning.tune import tune as tune

_MODULES: Final = {
    "akid.core.block": ("Block",),
    "akid.core.brain": ("Brain",),
    "akid.core.clock": ("Clock",),
    "akid.core.graph_system": ("GraphSystem",),
    "akid.core.system": ("SequentialSystem", "System"),
    "akid.layers.activation": (
        "ELULayer",
        "GELULayer",
        "LeakyReLULayer",
        "PReLULayer",
        "ReLULayer",
        "SELULayer",
        "SiLULayer",
        "SigmoidLayer",
        "SoftmaxLayer",
        "SoftplusLayer",
        "TanhLayer",
    ),
    "akid.layers.attention": ("MultiHeadAttentionLayer",),
    "akid.layers.batch_normalization": ("BatchNormalizationLayer",),
    "akid.layers.binary_loss": ("BCELossLayer",),
    "akid.layers.collapse_out": ("CollapseOutLayer",),
    "akid.layers.colorization": ("ColorizationReLULayer",),
    "akid.layers.convolution": ("ConvolutionLayer",),
    "akid.layers.convolution_1d": ("Convolution1DLayer",),
    "akid.layers.dropout": ("DropoutLayer",),
    "akid.layers.embedding": ("EmbeddingLayer",),
    "akid.layers.evaluation": (
        "AUCLayer",
        "AccuracyLayer",
        "BinaryAccuracyLayer",
        "EvalLayer",
        "MultiLabelAccuracyLayer",
        "TopKAccuracyLayer",
    ),
    "akid.layers.group_softmax": ("GroupSoftmaxLayer", "SoftmaxNormalizationLayer"),
    "akid.layers.group_softmax_loss": ("GroupSoftmaxWithLossLayer",),
    "akid.layers.hinge_loss": ("HingeLossLayer",),
    "akid.layers.inner_product": (
        "FixedWeightInnerProductLayer",
        "InnerProductLayer",
        "InvariantInnerProductLayer",
    ),
    "akid.layers.loss": ("LossLayer", "MSELossLayer", "SoftmaxWithLossLayer"),
    "akid.layers.memory": ("MemoryMaxPoolingLayer", "MemoryReLULayer"),
    "akid.layers.merge": ("MergeLayer",),
    "akid.layers.metric": ("MetricLayer",),
    "akid.layers.normalization": (
        "GroupNormalizationLayer",
        "L2NormalizationLayer",
        "LRNLayer",
        "LayerNormalizationLayer",
    ),
    "akid.layers.padding": ("PaddingLayer",),
    "akid.layers.pooling": (
        "AveragePoolingLayer",
        "GlobalPoolingLayer",
        "MaxPoolingLayer",
        "PoolingLayer",
    ),
    "akid.layers.pooling_1d": ("MaxPooling1DLayer",),
    "akid.layers.ranking_loss": ("MarginRankingLossLayer",),
    "akid.layers.recurrent": ("GRULayer", "LSTMLayer", "RecurrentLayer"),
    "akid.layers.regularization_loss": ("KLRegularizationLayer", "WeightDecayLayer"),
    "akid.layers.reshape": ("ReshapeLayer",),
    "akid.layers.scatter": ("ScatterLayer",),
    "akid.layers.self_normalized_convolution": ("SelfNormalizedConvolutionLayer",),
    "akid.layers.synapse": ("SynapseLayer",),
    "akid.layers.transposed_convolution": ("TransposedConvolutionLayer",),
    "akid.observing.observer": ("Observer",),
    "akid.sensing.datasets.array_source": ("ArrayFeedSource", "UnlabelledArrayFeedSource"),
    "akid.sensing.datasets.cifar10": ("Cifar10FeedSource",),
    "akid.sensing.datasets.cifar100": ("Cifar100FeedSource",),
    "akid.sensing.datasets.cifar_source": ("CifarFeedSource",),
    "akid.sensing.datasets.digits": ("DigitsFeedSource",),
    "akid.sensing.datasets.fashion_mnist": ("FashionMNISTFeedSource",),
    "akid.sensing.datasets.idx_source": ("IDXFeedSource",),
    "akid.sensing.datasets.image_folder": ("ImageFolderFeedSource",),
    "akid.sensing.datasets.mnist": ("MNISTFeedSource",),
    "akid.sensing.datasets.rotated_mnist": ("RotatedMNISTFeedSource",),
    "akid.sensing.datasets.synthetic": ("SyntheticFeedSource",),
    "akid.sensing.indexed_source": ("IndexedFeedSource",),
    "akid.sensing.integrated_sensor": ("IntegratedSensor",),
    "akid.sensing.joker": ("BatchJoker", "Joker", "PlacingJoker"),
    "akid.sensing.jokers.color": ("ColorJoker",),
    "akid.sensing.jokers.crop": ("CropJoker",),
    "akid.sensing.jokers.cutout": ("CutoutJoker",),
    "akid.sensing.jokers.flip": ("FlipJoker",),
    "akid.sensing.jokers.light": ("LightJoker",),
    "akid.sensing.jokers.mixup": ("MixupJoker",),
    "akid.sensing.jokers.resize": ("ResizeJoker",),
    "akid.sensing.jokers.resized_crop": ("ResizedCropJoker",),
    "akid.sensing.jokers.rotation": ("RotationJoker",),
    "akid.sensing.jokers.whiten": ("RescaleJoker", "WhitenJoker"),
    "akid.sensing.sensor": ("FeedSensor", "Sensor"),
    "akid.sensing.source": (
        "FeedSource",
        "InMemoryFeedSource",
        "Source",
        "StaticSource",
        "SupervisedSource",
        "UnlabelledSource",
    ),
    "akid.sugar": ("cnn_block",),
    "akid.training.engine": ("Engine",),
    "akid.training.hooks": ("EarlyStopping", "Hooks"),
    "akid.training.kid": ("Kid",),
    "akid.training.kongfu": ("GradientDescentKongFu", "KongFu", "MomentumKongFu"),
    "akid.training.kongfus": (
        "AdagradKongFu",
        "AdamKongFu",
        "AdamWKongFu",
        "RMSPropKongFu",
        "TorchKongFu",
    ),
    "akid.training.report": ("Report",),
    "akid.training.schedule": ("LearningRateScheme",),
    "akid.tuning.space": (
        "choice",
        "lograndint",
        "loguniform",
        "qlograndint",
        "qloguniform",
        "qrandint",
        "qrandn",
        "quniform",
        "randint",
        "randn",
        "uniform",
    ),
    "akid.tuning.tune": ("tune",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["AKID_DATA_PATH", *sorted(_HOME)]  # noqa: PLE0604 (all of them are strings)


def __getattr__(name: str) -> Any:
    if name == "AKID_DATA_PATH":  # read anew each time: the environment may change
        return str(import_module("akid.sensing.datasets.location").data_path())
    if name not in _HOME:
        raise AttributeError(_unknown(name))
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def _unknown(name: str) -> str:
    close = get_close_matches(name, __all__, n=1)
    hint = f"Did you mean {close[0]}?" if close else "dir(akid) lists what it has."
    return f"module 'akid' has no attribute {name!r}. {hint}"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
