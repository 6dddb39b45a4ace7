from pathlib import Path

import numpy as np
import pytest

from akid.errors import DataError
from akid.sensing.datasets.rotated_mnist import RotatedMNISTFeedSource

FILES = [f"mnist_all_rotation_normalized_float_{part}.amat" for part in ("train_valid", "test")]


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKID_DATA_PATH", str(tmp_path))


@pytest.fixture
def tables(tmp_path: Path) -> list[np.ndarray]:
    """Write files of 20 and 6 lines below AKID_DATA_PATH and return what is in them."""
    (tmp_path / "mnist_rotation_new").mkdir()
    random, tables = np.random.default_rng(0), []
    for file, num in zip(FILES, (20, 6), strict=True):
        pixels = random.integers(0, 256, (num, 784)) / 255
        tables.append(np.column_stack([pixels, np.arange(num) % 10]))
        np.savetxt(tmp_path / "mnist_rotation_new" / file, tables[-1], fmt="%.6f")
    return tables


def test_lines_become_images_and_labels(tables: list[np.ndarray]) -> None:
    """The test file is the test split; centring makes values of -0.5 to 0.5."""
    source = RotatedMNISTFeedSource(center=True, scale=True, num_train=15, num_val=5)

    images, labels = source.arrays("test")

    np.testing.assert_allclose(images.reshape(6, 784), tables[1][:, :-1] - 0.5, atol=1e-6)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert [source.num_samples(split) for split in ("train", "val", "test")] == [15, 5, 6]
    assert images.shape == (6, 28, 28, 1)


@pytest.mark.parametrize("line", ["0.5 0.5 3", "0.5 " * 784 + "10", "0.5 " * 784 + "x"])
def test_damaged_files_are_refused(tables: list[np.ndarray], tmp_path: Path, line: str) -> None:
    """Too few pixels, a class that there is not, no number."""
    del tables
    (tmp_path / "mnist_rotation_new" / FILES[1]).write_text(line + "\n")

    with pytest.raises(DataError, match=f"{FILES[1]}.*damaged"):
        RotatedMNISTFeedSource(num_train=15, num_val=5).setup()


def test_a_missing_file_says_where_it_is_from() -> None:
    """And where it is looked for."""
    with pytest.raises(DataError, match=r"expected mnist_all.* or .*mnist_rotation_new.*\.zip"):
        RotatedMNISTFeedSource(work_dir="/nowhere").setup()
