"""A small kid that has practised on small images, and an observer of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akid.core.brain import Brain
from akid.core.system import SequentialSystem
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.pooling import MaxPoolingLayer
from akid.observing.observer import Observer
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import InMemoryFeedSource, SupervisedSource
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu


class Stripes(SupervisedSource, InMemoryFeedSource):
    """Upright and lying stripes of 6 x 8 pixels: 40 to train, 10 to validate."""

    def __init__(self) -> None:
        super().__init__(name="stripes", num_train=40, num_val=10)

    def _load(self) -> Mapping[str, tuple[np.ndarray, ...]]:
        labels = np.arange(50) % 2
        images = np.random.default_rng(0).normal(0.0, 0.1, (50, 6, 8, 1)).astype(np.float32)
        images[labels == 0, ::2] += 1.0
        images[labels == 1, :, ::2] += 1.0
        return {"train": (images, labels)}


class SmallBrain(Brain):
    """A convolution, and a nested head."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attach(ConvolutionLayer(ksize=3, out_channel_num=4, name="conv1"))
        self.attach(ReLULayer(name="relu1"), MaxPoolingLayer(ksize=2, strides=2, name="pool1"))
        head = SequentialSystem(name="head")
        head.attach(InnerProductLayer(out_channel_num=5, name="ip1", wd=None))
        head.attach(DropoutLayer(keep_prob=0.8, name="drop1"))
        self.attach(head, InnerProductLayer(out_channel_num=2, name="ip2"))
        both = [{"name": "ip2", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
        self.attach(SoftmaxWithLossLayer(class_num=2, name="loss", inputs=both))


def _kid(log_dir: Path, /, **options: Any) -> Kid:
    defaults = {"max_steps": 6, "train_log_step": 2, "val_log_step": 3, "seed": 3}
    defaults |= {"log_dir": log_dir, "save_chk_point": False, "name": "kid"}
    return Kid(
        FeedSensor(Stripes(), batch_size=10, val_batch_size=10, name="sensor"),
        SmallBrain(name="brain"),
        MomentumKongFu(lr=0.05, name="kongfu"),
        **{**defaults, **options},
    )


@pytest.fixture
def make_kid(tmp_path: Path) -> Callable[..., Kid]:
    """Return a maker of kids that have not practised, by the options of `Kid`."""
    return lambda **options: _kid(tmp_path / "log", **options)


@pytest.fixture
def brain() -> SmallBrain:
    """Return a brain that is not set up."""
    return SmallBrain(name="brain")


@pytest.fixture(scope="module")
def observer(tmp_path_factory: pytest.TempPathFactory) -> Observer:
    """Return the observer of a kid that has practised while it was recorded."""
    observer = Observer(_kid(tmp_path_factory.mktemp("log")))
    observer.record()
    observer.kid.practice()
    return observer
