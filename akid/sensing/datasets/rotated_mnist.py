"""Rotated MNIST: 62,000 handwritten digits, each turned by an angle of its own."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from akid.errors import DataError
from akid.sensing.datasets.location import data_path
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource

_SIDE_PX: Final = 28
_TRAIN: Final = "mnist_all_rotation_normalized_float_train_valid.amat"
_TEST: Final = "mnist_all_rotation_normalized_float_test.amat"
_ADDRESS: Final = "http://www.iro.umontreal.ca/~lisa/icml2007data/mnist_rotation_new.zip"


@final
class RotatedMNISTFeedSource(SupervisedSource, InMemoryFeedSource):
    """The rotated digits of Larochelle et al., An empirical evaluation of deep architectures, 2007.

    The two text files of the published archive are looked for in `work_dir` and in the folder
    "mnist_rotation_new" below `AKID_DATA_PATH`. They are not fetched, because no checksum of the
    archive was ever published. The test split is the official test file of 50,000 images; training
    and validation are parts of the other file, which has 12,000.

    Args:
        name: The block's name.
        work_dir: Where the files lie.
        center: Subtract 0.5; the files' pixels are in [0, 1].
        scale: Changes nothing: the files' pixels are scaled already.
        num_train: Training examples.
        num_val: Validation examples.

    Shape:
        get_batch: images `(num, 28, 28, 1)` float32, labels `(num,)` int64 in [0, 10).

    Raises:
        SetupError: When set up, if more examples are asked for than the training file has.
        DataError: When set up, if a file is missing or damaged.
    """

    folder: ClassVar[str] = "mnist_rotation_new"
    middle_value: ClassVar[float] = 0.5
    value_range: ClassVar[float] = 1.0
    num_classes: ClassVar[int] = 10
    is_stored: ClassVar[bool] = True

    def __init__(
        self,
        name: str | None = None,
        *,
        work_dir: str | None = None,
        center: bool = False,
        scale: bool = False,
        num_train: int = 10000,
        num_val: int = 2000,
    ) -> None:
        super().__init__(
            name,
            work_dir=work_dir,
            center=center,
            scale=scale,
            num_train=num_train,
            num_val=num_val,
        )

    def _content(self) -> Hashable:
        stats = [(path, path.stat()) for path in map(self._path, (_TRAIN, _TEST))]
        return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)

    def _load(self) -> dict[str, Arrays]:
        return {"train": self._read(_TRAIN), "test": self._read(_TEST)}

    def _read(self, file: str) -> Arrays:
        path = self._path(file)
        try:
            table = np.loadtxt(path, dtype=np.float32, ndmin=2)
        except ValueError as error:
            raise DataError(f"{self.label}: {path}: {error}. The file is damaged.") from error
        if table.shape[1] != _SIDE_PX**2 + 1 or not _are_classes(table[:, -1]):
            raise DataError(
                f"{self.label}: {path}: expected lines of {_SIDE_PX**2} pixels and a class of 0 to"
                f" 9, got a table of shape {table.shape}. The file is damaged."
            )
        images = table[:, :-1].reshape(-1, _SIDE_PX, _SIDE_PX, 1)
        return images, table[:, -1].astype(np.int64)

    def _path(self, file: str) -> Path:
        folders = [Path(data_path(), self.folder)]
        if self.work_dir:
            folders.insert(0, Path(self.work_dir).expanduser())
        for folder in folders:
            if (folder / file).is_file():
                return folder / file
        raise DataError(
            f"{self.label}: expected {file} in {' or '.join(map(str, folders))}, got no such file."
            f" Unpack {_ADDRESS} there."
        )


def _are_classes(labels: NDArray[Any]) -> bool:
    return bool(np.isin(labels, np.arange(10)).all())
