import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from akid.errors import DataError, SetupError
from akid.sensing.datasets.idx import read_idx
from akid.sensing.datasets.mnist import MNISTFeedSource


def mnist(folder: Path, **kwargs: object) -> MNISTFeedSource:
    sizes = {"num_train": 40, "num_val": 15}
    return MNISTFeedSource(name="Source", work_dir=str(folder), **{**sizes, **kwargs})


def test_the_splits_are_disjoint_parts_of_the_official_files(tiny_mnist: Path) -> None:
    """Training and validation share no image, and the test split is the test file."""
    source = mnist(tiny_mnist)
    official = read_idx(tiny_mnist / "train-images-idx3-ubyte")
    known = {image.tobytes() for image in official}

    train, val = (
        {image.astype(np.uint8).tobytes() for image in source.arrays(split)[0]}
        for split in ("train", "val")
    )

    assert (len(train), len(val)) == (40, 15)
    assert not train & val
    assert train | val <= known
    np.testing.assert_array_equal(
        source.arrays("test")[0][..., 0], read_idx(tiny_mnist / "t10k-images-idx3-ubyte")
    )
    assert [source.num_samples(split) for split in ("train", "val", "test")] == [40, 15, 20]


def test_labels_stay_with_their_images(tiny_mnist: Path) -> None:
    """The pairs of the split are pairs of the files."""
    images = read_idx(tiny_mnist / "train-images-idx3-ubyte")
    labels = read_idx(tiny_mnist / "train-labels-idx1-ubyte")
    pairs = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}

    for image, label in zip(*mnist(tiny_mnist).arrays("train"), strict=True):
        assert pairs[image.astype(np.uint8).tobytes()] == label


def test_the_validation_split_does_not_depend_on_num_train(tiny_mnist: Path) -> None:
    """Runs with less training data are selected by the same examples."""
    few, many = mnist(tiny_mnist, num_train=5), mnist(tiny_mnist, num_train=45)

    np.testing.assert_array_equal(few.arrays("val")[0], many.arrays("val")[0])
    np.testing.assert_array_equal(few.arrays("train")[0], many.arrays("train")[0][:5])


@pytest.mark.parametrize(
    ("center", "scale", "expected"),
    [
        (False, False, lambda x: x),
        (True, False, lambda x: x - 127.5),
        (False, True, lambda x: x / 255),
        (True, True, lambda x: (x - 127.5) / 255),
    ],
)
def test_center_subtracts_and_scale_divides(
    tiny_mnist: Path, center: bool, scale: bool, expected: object
) -> None:
    """Centre first, then scale, in single precision."""
    raw = read_idx(tiny_mnist / "t10k-images-idx3-ubyte").astype(np.float32)

    images, _ = mnist(tiny_mnist, center=center, scale=scale).arrays("test")

    assert images.dtype == np.float32
    np.testing.assert_allclose(images[..., 0], expected(raw), rtol=1e-6)


def test_too_many_examples_name_both_numbers(tiny_mnist: Path) -> None:
    """The error says how many there are and what was asked for."""
    with pytest.raises(SetupError, match=r"at most 60.*num_train=50 and num_val=15"):
        mnist(tiny_mnist, num_train=50).setup()


def test_compressed_files_in_the_standard_folder_are_found(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below AKID_DATA_PATH the usual layout is read, with or without work_dir."""
    root = tmp_path / "root"
    (root / "MNIST" / "raw").mkdir(parents=True)
    for path in tiny_mnist.glob("*ubyte"):
        (root / "MNIST" / "raw" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setenv("AKID_DATA_PATH", str(root))

    elsewhere = mnist(tmp_path / "nowhere")

    np.testing.assert_array_equal(elsewhere.arrays("test")[0], mnist(tiny_mnist).arrays("test")[0])


def test_what_can_not_be_fetched_is_a_data_error(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The given address is tried first, then the mirrors; the error lists them."""
    monkeypatch.setenv("AKID_DATA_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(MNISTFeedSource, "mirrors", ("http://127.0.0.1:1/mirror/",))
    (tiny_mnist / "t10k-labels-idx1-ubyte").unlink()

    with pytest.raises(DataError, match=r"(?s)2 address.*:2/x/t10k-labels.*gz.*:1/mirror/t10k-l"):
        mnist(tiny_mnist, url="http://127.0.0.1:2/x/").setup()


def test_training_and_test_images_must_have_one_size(tiny_mnist: Path) -> None:
    """Files of two data sets in one folder are found out."""
    shutil.copy(tiny_mnist / "t10k-labels-idx1-ubyte", tiny_mnist / "labels")
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (20, 3, 3))
    (tiny_mnist / "t10k-images-idx3-ubyte").write_bytes(header + bytes(180))

    with pytest.raises(DataError, match=r"one size, got \(28, 28\) and \(3, 3\)"):
        mnist(tiny_mnist).setup()


def test_changed_files_are_read_anew(tiny_mnist: Path) -> None:
    """The data of one process are shared as long as the files are the same, and no longer."""
    before = mnist(tiny_mnist)
    shared = mnist(tiny_mnist)
    assert shared.prepared("train") is before.prepared("train")
    path = tiny_mnist / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[16:] = bytes(len(content) - 16)
    path.unlink()
    path.write_bytes(content)

    after = mnist(tiny_mnist)

    assert not after.arrays("train")[0].any()
    assert after.fingerprint() != before.fingerprint() == shared.fingerprint()
