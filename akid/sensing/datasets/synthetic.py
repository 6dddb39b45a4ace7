"""Synthetic: images made of noise, of which a model can learn as much as it is let."""

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from akid.errors import SetupError
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource


@final
class SyntheticFeedSource(SupervisedSource, InMemoryFeedSource):
    """A data set of any size for tests and timings; the same arguments give the same data.

    Each class has a pattern of noise, and each image is its class's pattern with noise of its own.

    Args:
        shape: Height, width and channels of an image.
        num_classes: How many classes there are.
        num_train: Training examples.
        num_val: Validation examples.
        num_test: Test examples.
        noise: How much of an image's own noise is added to the pattern, whose strength is 1; with
            0 all images of a class are equal.
        data_seed: Another number gives other data.
        name: The block's name.

    Shape:
        get_batch: images `(num, *shape)` float32, labels `(num,)` int64.

    >>> source = SyntheticFeedSource([8, 8, 3], num_train=100, num_val=20)
    >>> source.get_batch(5)[0].shape
    (5, 8, 8, 3)
    """

    middle_value: ClassVar[float] = 0.0
    value_range: ClassVar[float] = 1.0

    def __init__(
        self,
        shape: Sequence[int] = (28, 28, 1),
        *,
        num_classes: int = 10,
        num_train: int = 1000,
        num_val: int = 200,
        num_test: int = 200,
        noise: float = 1.0,
        data_seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name, num_train=num_train, num_val=num_val)
        if num_classes < 1 or num_test < 0 or any(size < 1 for size in shape):
            raise SetupError(
                f"{self.label}: expected sizes and num_classes of at least 1 and num_test of at"
                f" least 0, got shape={list(shape)!r}, {num_classes=!r}, {num_test=!r}."
            )
        self.shape = tuple(shape)
        self.num_classes = num_classes
        self.num_test = num_test
        self.noise = noise
        self.data_seed = data_seed

    def _content(self) -> Hashable:
        return (self.shape, self.num_classes, self.num_test, self.noise, self.data_seed)

    def _load(self) -> Mapping[str, Arrays]:
        random = np.random.default_rng(self.data_seed)
        patterns = random.standard_normal((self.num_classes, *self.shape), np.float32)

        def make(num: int) -> Arrays:
            labels = np.arange(num) % self.num_classes
            own = random.standard_normal((num, *self.shape), np.float32)
            return patterns[labels] + np.float32(self.noise) * own, labels

        assert self.num_train is not None
        return {"train": make(self.num_train + self.num_val), "test": make(self.num_test)}
