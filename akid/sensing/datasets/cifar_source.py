"""CifarFeedSource: the CIFAR data sets in their binary format; nothing is unpickled."""

import tarfile
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from akid.errors import DataError
from akid.sensing import whitening
from akid.sensing.datasets.download import download
from akid.sensing.datasets.location import data_path
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource

_SIDE_PX: Final = 32
_IMAGE_BYTES: Final = 3 * _SIDE_PX * _SIDE_PX


class CifarFeedSource(SupervisedSource, InMemoryFeedSource, ABC):
    """Reads the binary files of a CIFAR data set, and fetches them where they are missing.

    The files are looked for in `work_dir`, in `work_dir` / `folder` and in `folder` below
    `AKID_DATA_PATH`. The archive's SHA-256 is checked before it is opened, and only the files that
    are needed are taken out. The test split is the official test set; training and validation are
    parts of the official training set.

    Args:
        name: The block's name.
        url: The address of the archive, or of the folder where it lies, tried before the mirrors.
        work_dir: Where the files lie or are put.
        center: Subtract 127.5.
        scale: Divide by 255 (after centring).
        use_zca: Normalise the contrast of each image, then whiten (GCN and ZCA, learnt from the
            training split alone). Takes a minute once; then the result is kept on disk.
        num_train: Training examples.
        num_val: Validation examples.

    Raises:
        SetupError: When set up, if more examples are asked for than the training set has.
        DataError: When set up, if a file is damaged or can't be had.
    """

    folder: ClassVar[str]
    archive: ClassVar[str]
    archive_sha256: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz/",)
    train_files: ClassVar[tuple[str, ...]]
    test_files: ClassVar[tuple[str, ...]]
    num_label_bytes: ClassVar[int]
    is_stored: ClassVar[bool] = True

    def __init__(
        self,
        name: str | None = None,
        *,
        url: str | None = None,
        work_dir: str | None = None,
        center: bool = False,
        scale: bool = False,
        use_zca: bool = False,
        num_train: int = 45000,
        num_val: int = 5000,
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
        self.use_zca = use_zca

    @abstractmethod
    def _labels(self, labels: NDArray[np.uint8]) -> Arrays:
        """Return the label arrays to serve, out of all label bytes `(N, num_label_bytes)`."""

    def _content(self) -> Hashable:
        paths = self._paths()
        stats = [path.stat() for path in paths]
        files = [(str(p), s.st_size, s.st_mtime_ns) for p, s in zip(paths, stats, strict=True)]
        return (self.use_zca, *files)

    def _load(self) -> Mapping[str, Arrays]:
        records = [self._read(path) for path in self._paths()]
        num_train = len(self.train_files)
        return {
            "train": self._arrays(np.concatenate(records[:num_train])),
            "test": self._arrays(np.concatenate(records[num_train:])),
        }

    @property
    def is_transformed(self) -> bool:
        return self.use_zca

    def _transform_(self, data: Mapping[str, Tensor]) -> None:
        if self.use_zca:
            for tensor in data.values():
                whitening.normalize_contrast_(tensor)
            whitener = whitening.fit_zca(data["train"])
            for tensor in data.values():
                whitener.apply_(tensor)

    def _arrays(self, records: NDArray[np.uint8]) -> Arrays:
        labels, pixels = np.split(records, [self.num_label_bytes], axis=1)
        images = pixels.reshape(-1, 3, _SIDE_PX, _SIDE_PX).transpose(0, 2, 3, 1)
        return (images, *self._labels(labels))

    def _read(self, path: Path) -> NDArray[np.uint8]:
        content = np.fromfile(path, np.uint8)
        record_bytes = self.num_label_bytes + _IMAGE_BYTES
        if not len(content) or len(content) % record_bytes:
            raise DataError(
                f"{self.label}: {path}: expected a multiple of {record_bytes} bytes, got"
                f" {len(content)}. The file is damaged; remove it to have it fetched again."
            )
        return content.reshape(-1, record_bytes)

    def _paths(self) -> list[Path]:
        """Return where the files lie; fetch them if they lie nowhere."""
        names = (*self.train_files, *self.test_files)
        official = Path(data_path(), self.folder)
        folders = [official]
        if self.work_dir:
            given = Path(self.work_dir).expanduser()
            folders = [given, given / self.folder, official]
        for folder in folders:
            if all((folder / name).is_file() for name in names):
                return [folder / name for name in names]
        target = folders[-2] if self.work_dir else official
        self._fetch(target, names)
        return [target / name for name in names]

    def _fetch(self, folder: Path, names: tuple[str, ...]) -> None:
        addresses = ([self.url] if self.url else []) + list(self.mirrors)
        urls = [
            url if url.endswith(self.archive) else f"{url.rstrip('/')}/{self.archive}"
            for url in addresses
        ]
        path = download(folder.parent / self.archive, urls, sha256=self.archive_sha256)
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path) as archive, tempfile.TemporaryDirectory(dir=folder) as part:
            for name in names:
                member = archive.getmember(f"{self.folder}/{name}")
                archive.extract(member, part, filter="data")
                Path(part, self.folder, name).replace(folder / name)
        path.unlink()
