"""Digits: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; nothing to download."""

import functools
from collections.abc import Hashable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from akid.sensing import split
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource

_NUM_TEST: Final = 360


@final
class DigitsFeedSource(SupervisedSource, InMemoryFeedSource):
    """The digits data set, in three splits that each hold all classes in their proportion.

    The test split is 360 images that are fixed for ever; the other 1,437 are for training and
    validation.

    Args:
        name: The block's name.
        center: Subtract 8, the middle of the pixels' range.
        scale: Divide by 16, the largest pixel; values lie in [-0.5, 0.5] with both.
        num_train: Training examples.
        num_val: Validation examples.

    Raises:
        SetupError: When set up, if more than 1,437 examples are asked for.

    >>> source = DigitsFeedSource(name="Source", center=True, scale=True)
    >>> images, labels = source.get_batch(100)
    >>> images.shape, labels.shape, float(images.min()), float(images.max())
    ((100, 8, 8, 1), (100,), -0.5, 0.5)
    """

    middle_value: ClassVar[float] = 8.0
    value_range: ClassVar[float] = 16.0
    num_classes: ClassVar[int] = 10

    def __init__(
        self,
        name: str | None = None,
        *,
        center: bool = False,
        scale: bool = False,
        num_train: int = 1077,
        num_val: int = 360,
    ) -> None:
        super().__init__(name, center=center, scale=scale, num_train=num_train, num_val=num_val)

    def _content(self) -> Hashable:
        return "digits"

    def _load(self) -> Mapping[str, Arrays]:
        images, labels = _read()
        order = split.stratified_order(labels)
        train, test = order[_NUM_TEST:], order[:_NUM_TEST]
        return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}

    def _order(self, train: Arrays) -> NDArray[np.int64]:
        return np.arange(len(train[0]))  # stratified already


@functools.cache
def _read() -> tuple[NDArray[Any], NDArray[Any]]:
    """Read scikit-learn's file without the package, which takes a second to load."""
    found = find_spec("sklearn")
    assert found is not None, "scikit-learn is among akid's requirements"
    assert found.submodule_search_locations is not None
    file = Path(found.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    images = table[:, :-1].copy().reshape(-1, 8, 8, 1)
    labels = table[:, -1].astype(np.int64)
    images.flags.writeable = labels.flags.writeable = False
    return images, labels
