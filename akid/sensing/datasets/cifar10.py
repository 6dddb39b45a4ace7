"""CIFAR-10: 60,000 colour pictures of 32 x 32 pixels in ten classes."""

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from akid.sensing.datasets.cifar_source import CifarFeedSource
from akid.sensing.source import Arrays


@final
class Cifar10FeedSource(CifarFeedSource):
    """The CIFAR-10 data set; the arguments are those of `CifarFeedSource`.

    Shape:
        get_batch: images `(num, 32, 32, 3)` float32, labels `(num,)` int64 in [0, 10).
    """

    folder: ClassVar[str] = "cifar-10-batches-bin"
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    archive_sha256: ClassVar[str] = (
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    )
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch.bin",)
    num_label_bytes: ClassVar[int] = 1
    num_classes: ClassVar[int] = 10

    def _labels(self, labels: NDArray[np.uint8]) -> Arrays:
        return (labels[:, 0],)
