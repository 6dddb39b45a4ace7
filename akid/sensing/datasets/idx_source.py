"""IDXFeedSource: a data set of four IDX files, as MNIST and its relatives are published."""

from abc import ABC
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import ClassVar, Final

from akid.errors import DataError
from akid.sensing.datasets.download import download
from akid.sensing.datasets.idx import read_idx
from akid.sensing.datasets.location import data_path
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource

_STEMS: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class IDXFeedSource(SupervisedSource, InMemoryFeedSource, ABC):
    """Reads images and labels from IDX files, plain or gzip-compressed, and fetches missing ones.

    The files are looked for in `work_dir` and in `folder` below `AKID_DATA_PATH`. What is missing
    is fetched into `work_dir` (or into that folder) from `url` or one of the mirrors, and its
    SHA-256 compared with the published one before it is opened. The test split is the official
    test set;
    training and validation are parts of the official training set.

    Args:
        name: The block's name.
        url: An address that ends before the files' names, tried before the mirrors.
        work_dir: Where the files lie or are put.
        center: Subtract 127.5.
        scale: Divide by 255 (after centring).
        num_train: Training examples.
        num_val: Validation examples.

    Raises:
        SetupError: When set up, if more examples are asked for than the training set has.
        DataError: When set up, if a file is damaged or can't be had.
    """

    folder: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]]
    sha256: ClassVar[tuple[str, str, str, str]]
    """Of the gzip files: training images, training labels, test images, test labels."""

    num_classes: ClassVar[int] = 10
    is_stored: ClassVar[bool] = True

    def __init__(
        self,
        name: str | None = None,
        *,
        url: str | None = None,
        work_dir: str | None = None,
        center: bool = False,
        scale: bool = False,
        num_train: int = 50000,
        num_val: int = 10000,
    ) -> None:
        super().__init__(
            name,
            url=url,
            work_dir=work_dir,
            center=center,
            scale=scale,
            num_train=num_train,
            num_val=num_val,
        )

    def _content(self) -> Hashable:
        stats = [(path, path.stat()) for path in map(self._path, _STEMS)]
        return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)

    def _load(self) -> Mapping[str, Arrays]:
        train_images, train_labels, test_images, test_labels = (
            read_idx(self._path(stem), num_dims=num_dims)
            for stem, num_dims in zip(_STEMS, (3, 1, 3, 1), strict=True)
        )
        if train_images.shape[1:] != test_images.shape[1:]:
            raise DataError(
                f"{self.label}: expected training and test images of one size, got"
                f" {train_images.shape[1:]} and {test_images.shape[1:]}."
            )
        return {
            "train": (train_images[..., None], train_labels),
            "test": (test_images[..., None], test_labels),
        }

    def _path(self, stem: str) -> Path:
        """Return where the file lies; fetch it if it lies nowhere."""
        official = Path(data_path(), self.folder)
        folders = [Path(self.work_dir).expanduser(), official] if self.work_dir else [official]
        for path in (folder / name for folder in folders for name in (stem, f"{stem}.gz")):
            if path.is_file():
                return path
        bases = ([self.url] if self.url else []) + list(self.mirrors)
        urls = [f"{base.rstrip('/')}/{stem}.gz" for base in bases]
        return download(folders[0] / f"{stem}.gz", urls, sha256=self.sha256[_STEMS.index(stem)])
