"""CIFAR-100: 60,000 colour pictures of 32 x 32 pixels in 100 classes of 20 superclasses."""

from collections.abc import Hashable
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from akid.errors import DataError, SetupError
from akid.sensing.datasets.cifar_source import CifarFeedSource
from akid.sensing.source import Arrays

_COLUMNS: Final = {"fine": (1,), "coarse": (0,), "both": (0, 1), "tree": ()}
_NUM_COARSE: Final = 20
_GROUP: Final = 5


@final
class Cifar100FeedSource(CifarFeedSource):
    """The CIFAR-100 data set.

    Args:
        label_kind: "fine" for the 100 classes, "coarse" for the 20 superclasses, "both" for two
            kinds of labels, superclass and class; "tree" for three: superclass, class, numbered
            anew so that the five of a superclass follow one another, and a vector for
            `GroupSoftmaxWithLossLayer(class_num=100, group_size=5)`.
        kwargs: The arguments of `CifarFeedSource`.

    Shape:
        get_batch: images `(num, 32, 32, 3)` float32, labels `(num,)` int64, once or twice; the
            vectors of a tree are `(num, 120)` float32: six slots for each superclass, its classes
            and "none of them", one of which is 1.
    """

    folder: ClassVar[str] = "cifar-100-binary"
    archive: ClassVar[str] = "cifar-100-binary.tar.gz"
    archive_sha256: ClassVar[str] = (
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    )
    train_files: ClassVar[tuple[str, ...]] = ("train.bin",)
    test_files: ClassVar[tuple[str, ...]] = ("test.bin",)
    num_label_bytes: ClassVar[int] = 2

    def __init__(self, name: str | None = None, *, label_kind: str = "fine", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        if label_kind not in _COLUMNS:
            raise SetupError(
                f"{self.label}: expected label_kind to be one of {list(_COLUMNS)}, got"
                f" {label_kind=!r}."
            )
        self.label_kind = label_kind

    @property
    def num_classes(self) -> int:
        """How many classes the (last kind of) labels have."""
        return _NUM_COARSE if self.label_kind == "coarse" else 100

    def _content(self) -> Hashable:
        return (self.label_kind, super()._content())

    def _labels(self, labels: NDArray[np.uint8]) -> Arrays:
        if self.label_kind == "tree":
            return _tree(labels[:, 0], self._places(labels)[labels[:, 1]])
        return tuple(labels[:, column] for column in _COLUMNS[self.label_kind])

    def _places(self, labels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return for each class its number in the tree, from labels in which all classes occur."""
        pairs = np.unique(labels, axis=0)
        counts = np.bincount(pairs[:, 0], minlength=_NUM_COARSE)
        if len(pairs) != _NUM_COARSE * _GROUP or set(counts) != {_GROUP}:
            raise DataError(
                f"{self.label}: expected {_NUM_COARSE} superclasses of {_GROUP} classes each, got"
                f" {len(pairs)} pairs of them in a file. The file is damaged or cut."
            )
        return np.argsort(pairs[:, 1])


def _tree(coarse: NDArray[np.uint8], places: NDArray[np.int64]) -> Arrays:
    vectors = np.zeros((len(coarse), _NUM_COARSE, _GROUP + 1), np.float32)
    vectors[..., _GROUP] = 1
    rows = np.arange(len(coarse))
    vectors[rows, coarse, _GROUP] = 0
    vectors[rows, coarse, places % _GROUP] = 1
    return coarse, places, vectors.reshape(len(coarse), -1)
