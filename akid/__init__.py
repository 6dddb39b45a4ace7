"""akid: train every combination of a templated `setup`, and compare the results.

This file is a table of contents: each public name is loaded from its module on first use, so that
`import akid` loads neither torch nor Ray nor MLflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from akid.tuning.tune import tune as tune

_MODULES: Final = {
    "akid.core.block": ("Block",),
    "akid.core.brain": ("Brain",),
    "akid.core.clock": ("Clock",),
    "akid.core.system": ("GraphSystem", "SequentialSystem", "System"),
    "akid.layers.activation": ("CollapseOutLayer", "ReLULayer", "SigmoidLayer"),
    "akid.layers.dropout": ("DropoutLayer",),
    "akid.layers.loss": ("MSELossLayer", "SoftmaxWithLossLayer"),
    "akid.layers.merge": ("MergeLayer",),
    "akid.layers.normalization": ("BatchNormalizationLayer",),
    "akid.layers.padding": ("PaddingLayer",),
    "akid.layers.pooling": ("AveragePoolingLayer", "MaxPoolingLayer", "PoolingLayer"),
    "akid.layers.reshape": ("ReshapeLayer",),
    "akid.layers.synapse": ("ConvolutionLayer", "InnerProductLayer"),
    "akid.sensing.datasets.digits": ("DigitsFeedSource",),
    "akid.sensing.datasets.fashion_mnist": ("FashionMNISTFeedSource",),
    "akid.sensing.datasets.mnist": ("MNISTFeedSource",),
    "akid.sensing.sensor": ("FeedSensor", "Sensor"),
    "akid.sensing.source": ("FeedSource", "Source"),
    "akid.sugar": ("cnn_block",),
    "akid.training.engine": ("Engine",),
    "akid.training.kid": ("Kid",),
    "akid.training.kongfu": ("GradientDescentKongFu", "KongFu", "MomentumKongFu"),
    "akid.training.schedule": ("LearningRateScheme",),
    "akid.tuning.tune": ("tune",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["AKID_DATA_PATH", *sorted(_HOME)]  # noqa: PLE0604 (all of them are strings)


def __getattr__(name: str) -> Any:
    if name == "AKID_DATA_PATH":  # read anew each time: the environment may change
        return str(import_module("akid.sensing.datasets.location").data_path())
    if name not in _HOME:
        raise AttributeError(f"module 'akid' has no attribute {name!r}; it offers {__all__}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
