"""Every source of akid keeps the contract for sources."""

import gzip
import inspect
import struct
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
from PIL import Image

import akid.sensing.datasets
from akid.sensing import prepared
from akid.sensing.datasets.array_source import ArrayFeedSource, UnlabelledArrayFeedSource
from akid.sensing.datasets.cifar10 import Cifar10FeedSource
from akid.sensing.datasets.cifar100 import Cifar100FeedSource
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.datasets.fashion_mnist import FashionMNISTFeedSource
from akid.sensing.datasets.image_folder import ImageFolderFeedSource
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.datasets.rotated_mnist import RotatedMNISTFeedSource
from akid.sensing.datasets.synthetic import SyntheticFeedSource
from akid.sensing.source import Source
from akid.testing.source_contract import SourceContract

BASES = {"IDXFeedSource", "CifarFeedSource"}
SMALL = {"num_train": 20, "num_val": 6}


def arrays(num: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(num)
    return random.integers(1, 256, (num, 6, 5, 3), np.uint8), np.arange(num) % 3


def idx(folder: Path) -> str:
    for prefix, num in (("train", 40), ("t10k", 10)):
        images = np.random.default_rng(num).integers(1, 256, (num, 28, 28), np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(num) % 10)):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(content)
    return str(folder)


def cifar(folder: Path, kind: type, label_bytes: int) -> str:
    for number, name in enumerate([*kind.train_files, *kind.test_files]):
        random = np.random.default_rng(number)
        labels = (np.arange(8)[:, None] % 10).repeat(label_bytes, 1)
        pixels = random.integers(1, 256, (8, 3072))
        np.concatenate([labels, pixels], 1).astype(np.uint8).tofile(folder / name)
    return str(folder)


def amat(folder: Path) -> str:
    for part, num in (("train_valid", 40), ("test", 10)):
        pixels = np.random.default_rng(num).integers(1, 256, (num, 784)) / 255
        table = np.column_stack([pixels, np.arange(num) % 10])
        np.savetxt(folder / f"mnist_all_rotation_normalized_float_{part}.amat", table, fmt="%.4f")
    return str(folder)


def pictures(folder: Path) -> str:
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(exist_ok=True)
        for number in range(5):
            Image.new("RGB", (9, 7), (40 * number, 200, 100)).save(folder / kind / f"{number}.png")
    return str(folder)


CASES = {
    "ArrayFeedSource": (
        lambda _: ArrayFeedSource(*arrays(30), test=arrays(9), num_val=7, scale=True),
        (6, 5, 3),
    ),
    "UnlabelledArrayFeedSource": (
        lambda _: UnlabelledArrayFeedSource(arrays(30)[0], num_val=7),
        (6, 5, 3),
    ),
    "Cifar10FeedSource": (
        lambda folder: Cifar10FeedSource(work_dir=cifar(folder, Cifar10FeedSource, 1), **SMALL),
        (32, 32, 3),
    ),
    "Cifar100FeedSource": (
        lambda folder: Cifar100FeedSource(
            work_dir=cifar(folder, Cifar100FeedSource, 2), num_train=5, num_val=3
        ),
        (32, 32, 3),
    ),
    "DigitsFeedSource": (lambda _: DigitsFeedSource(scale=True, **SMALL), (8, 8, 1)),
    "FashionMNISTFeedSource": (
        lambda folder: FashionMNISTFeedSource(work_dir=idx(folder), center=True, **SMALL),
        (28, 28, 1),
    ),
    "MNISTFeedSource": (
        lambda folder: MNISTFeedSource(work_dir=idx(folder), scale=True, **SMALL),
        (28, 28, 1),
    ),
    "RotatedMNISTFeedSource": (
        lambda folder: RotatedMNISTFeedSource(work_dir=amat(folder), **SMALL),
        (28, 28, 1),
    ),
    "ImageFolderFeedSource": (
        lambda folder: ImageFolderFeedSource(work_dir=pictures(folder), size=[7, 9], num_val=2),
        (7, 9, 3),
    ),
    "SyntheticFeedSource": (
        lambda _: SyntheticFeedSource([6, 5, 3], num_test=4, **SMALL),
        (6, 5, 3),
    ),
}


class TestSources(SourceContract):
    """The contract, for each source."""

    @pytest.fixture(autouse=True, params=CASES.values(), ids=list(CASES))
    def _case(self, request, tmp_path, monkeypatch):
        monkeypatch.setenv("AKID_DATA_PATH", str(tmp_path / "root"))
        self.make, self.shape = request.param
        self.folder = tmp_path / "files"
        self.folder.mkdir()
        prepared.forget()
        yield
        prepared.forget()

    def make_source(self):
        return self.make(self.folder)

    def expected_shape(self):
        return self.shape


def test_no_source_is_left_out() -> None:
    """Each public source class has a case."""
    public = {
        name
        for module in iter_modules(akid.sensing.datasets.__path__)
        for name, kind in vars(import_module(f"akid.sensing.datasets.{module.name}")).items()
        if inspect.isclass(kind) and issubclass(kind, Source) and not name.startswith("_")
        if kind.__module__.startswith("akid.sensing.datasets.")
    }

    assert public - BASES == set(CASES)
