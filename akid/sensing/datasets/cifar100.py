"""CIFAR-100: 60,000 colour pictures of 32 x 32 pixels in 100 classes of 20 superclasses."""

from collections.abc import Hashable
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from akid.errors import SetupError
from akid.sensing.datasets.cifar_source import CifarFeedSource
from akid.sensing.source import Arrays

_COLUMNS: Final = {"fine": (1,), "coarse": (0,), "both": (0, 1)}


@final
class Cifar100FeedSource(CifarFeedSource):
    """The CIFAR-100 data set.

    Args:
        label_kind: "fine" for the 100 classes, "coarse" for the 20 superclasses, "both" for two
            kinds of labels, superclass and class.
        kwargs: The arguments of `CifarFeedSource`.

    Shape:
        get_batch: images `(num, 32, 32, 3)` float32, labels `(num,)` int64, once or twice.
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
        return 20 if self.label_kind == "coarse" else 100

    def _content(self) -> Hashable:
        return (self.label_kind, super()._content())

    def _labels(self, labels: NDArray[np.uint8]) -> Arrays:
        return tuple(labels[:, column] for column in _COLUMNS[self.label_kind])
