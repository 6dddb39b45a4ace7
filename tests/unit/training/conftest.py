"""Small kids on real digits and on a handful of numbers, for the training room's tests."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import InMemoryFeedSource, SupervisedSource
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu

Arrays = tuple[NDArray[Any], ...]


class Points(SupervisedSource, InMemoryFeedSource):
    """Two clouds of points: 25 to train, 7 to validate, 6 to test."""

    def __init__(self, *, num_val: int = 7, has_test: bool = True) -> None:
        super().__init__(name="Source", num_train=25, num_val=num_val)
        self.has_test = has_test

    def _load(self) -> Mapping[str, Arrays]:
        random = np.random.default_rng(0)
        labels = np.arange(38) % 2
        points = random.normal(labels[:, None] * 2.0 - 1.0, 1.0, (38, 4)).astype(np.float32)
        points = points.reshape(38, 2, 2, 1)
        splits = {"train": (points[:32], labels[:32])}
        if self.has_test:
            splits["test"] = (points[32:], labels[32:])
        return splits


class SmallBrain(Brain):
    """With all that has a state: weights, running means, a dropout's generator."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attach(InnerProductLayer(out_channel_num=8, name="ip1"))
        self.attach(BatchNormalizationLayer(name="bn1"))
        self.attach(ReLULayer(name="relu1"))
        self.attach(DropoutLayer(keep_prob=0.8, name="drop1"))
        self.attach(InnerProductLayer(out_channel_num=2, name="ip2"))
        labels = [{"name": "ip2", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
        self.attach(SoftmaxWithLossLayer(class_num=2, name="loss", inputs=labels))


@pytest.fixture
def make_kid(tmp_path: Path) -> Callable[..., Kid]:
    """Return a function that makes a kid; `source` are the arguments of its source."""

    def make(**arguments: Any) -> Kid:
        source = Points(**arguments.pop("source", {}))
        kongfu = arguments.pop("kongfu", None) or MomentumKongFu(name="Kongfu", lr=0.05)
        defaults: dict[str, Any] = {"log_dir": tmp_path / "log", "device": "cpu"}
        if "max_epoch" not in arguments:
            defaults["max_steps"] = 7
        sensor = FeedSensor(source_in=source, batch_size=10, val_batch_size=3, name="Sensor")
        brain = SmallBrain(name="Brain")
        return Kid(sensor, brain, kongfu, **{**defaults, **arguments})

    return make
