import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from akid.errors import DataError, SetupError
from akid.layers.group_softmax_loss import GroupSoftmaxWithLossLayer
from akid.sensing.datasets import cifar_source
from akid.sensing.datasets.cifar10 import Cifar10FeedSource
from akid.sensing.datasets.cifar100 import Cifar100FeedSource
from akid.sensing.whitening import Whitener


def tree_records() -> np.ndarray:
    """Return an image of each of 100 classes; class n is one of superclass 19 - n % 20."""
    result = records(100, 2, 0)
    result[:, 0], result[:, 1] = 19 - np.arange(100) % 20, np.arange(100)
    return result


def records(num: int, num_label_bytes: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (num, 3072), np.uint8)
    labels = np.stack([(np.arange(num) + n) % 10 for n in range(num_label_bytes)], axis=1)
    return np.concatenate([labels.astype(np.uint8), pixels], axis=1)


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKID_DATA_PATH", str(tmp_path / "root"))


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    names = [*Cifar10FeedSource.train_files, *Cifar10FeedSource.test_files]
    for number, name in enumerate(names):
        records(8, 1, number).tofile(folder / name)
    return folder


def test_the_bytes_become_images_and_labels(cifar10: Path) -> None:
    """Red, green and blue planes become channels; the test split is the test file, in order."""
    source = Cifar10FeedSource(work_dir=str(cifar10), num_train=30, num_val=10)

    images, labels = source.arrays("test")

    raw = records(8, 1, 5)
    np.testing.assert_array_equal(labels, raw[:, 0])
    np.testing.assert_array_equal(images[..., 1], raw[:, 1025:2049].reshape(8, 32, 32))
    sizes = [source.num_samples(split) for split in ("train", "val", "test")]
    assert sizes == [30, 10, 8]


def test_prepared_data_are_kept_on_disk_and_follow_the_settings(cifar10: Path) -> None:
    """A second source maps the same files; with other settings the data are others."""
    settings = {"work_dir": str(cifar10), "num_train": 30, "num_val": 10}
    plain, again = Cifar10FeedSource(**settings), Cifar10FeedSource(**settings, name="again")
    scaled = Cifar10FeedSource(**settings, scale=True)

    assert plain.fingerprint() == again.fingerprint() != scaled.fingerprint()
    folder = cifar10.parent / "root" / "prepared"
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2


def test_whitening_learns_from_training_images_alone(
    cifar10: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other splits hold can't leak into the model."""
    seen = []

    def fit(data: torch.Tensor) -> Whitener:
        seen.append(len(data))
        return Whitener(data.flatten(1).mean(0), torch.eye(3072))

    monkeypatch.setattr(cifar_source.whitening, "fit_zca", fit)
    source = Cifar10FeedSource(work_dir=str(cifar10), num_train=30, num_val=10, use_zca=True)

    images = source.arrays("train")[0]

    assert seen == [30]
    np.testing.assert_allclose(images.mean(0), 0, atol=1e-4)


def test_a_damaged_file_is_named(cifar10: Path) -> None:
    """A record that is cut off is found out."""
    path = cifar10 / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DataError, match=r"data_batch_3.bin: expected a multiple of 3073 bytes"):
        Cifar10FeedSource(work_dir=str(cifar10), num_train=30, num_val=10).setup()


@pytest.mark.parametrize(
    ("kind", "columns", "num_classes"),
    [("fine", [1], 100), ("coarse", [0], 20), ("both", [0, 1], 100)],
)
def test_cifar100_serves_the_labels_that_are_asked_for(
    tmp_path: Path, kind: str, columns: list[int], num_classes: int
) -> None:
    """Superclass, class, or both."""
    for number, name in enumerate(("train.bin", "test.bin")):
        records(8, 2, number).tofile(tmp_path / name)
    source = Cifar100FeedSource(work_dir=str(tmp_path), label_kind=kind, num_train=6, num_val=2)

    _, *labels = source.arrays("test")

    assert source.num_classes == num_classes
    raw = records(8, 2, 1)
    assert [array.tolist() for array in labels] == [raw[:, column].tolist() for column in columns]


def test_an_unknown_kind_of_label_lists_the_known_ones() -> None:
    """Checked when the source is made."""
    with pytest.raises(SetupError, match=r"'both', 'tree'\].*'middle'"):
        Cifar100FeedSource(label_kind="middle")


def test_an_archive_is_checked_before_only_what_is_needed_is_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive's other members, also those that try to leave the folder, are not touched."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("cifar-100-binary/train.bin", "../evil", "cifar-100-binary/test.bin"):
            info, data = tarfile.TarInfo(name), records(8, 2, 0).tobytes()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    fetched = []

    def fetch(target: Path, urls: list[str], *, sha256: str) -> Path:
        assert sha256 == hashlib.sha256(content.getvalue()).hexdigest()
        fetched.extend(urls)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.getvalue())
        return target

    monkeypatch.setattr(cifar_source, "download", fetch)
    sha256 = hashlib.sha256(content.getvalue()).hexdigest()
    monkeypatch.setattr(Cifar100FeedSource, "archive_sha256", sha256)
    source = Cifar100FeedSource(
        work_dir=str(tmp_path / "work"), url="http://here/x", num_train=6, num_val=2
    )

    assert source.num_samples("test") == 8

    assert fetched[0] == "http://here/x/cifar-100-binary.tar.gz"
    names = sorted(path.name for path in (tmp_path / "work").rglob("*"))
    assert names == ["cifar-100-binary", "test.bin", "train.bin"]
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.data
def test_the_real_pictures_are_read(real_data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Class counts and the first test labels are the published ones."""
    monkeypatch.undo()
    folder = real_data("cifar-10-batches-bin")
    monkeypatch.setenv("AKID_DATA_PATH", str(folder.parent))
    source = Cifar10FeedSource(center=True, scale=True)

    counts = sum(np.bincount(source.arrays(split)[1]) for split in ("train", "val"))

    assert counts.tolist() == [5000] * 10
    assert source.arrays("test")[1][:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]
    assert abs(float(source.arrays("test")[0].mean()) + 0.0235) < 1e-3


def test_the_labels_of_a_tree_fit_the_group_softmax(tmp_path: Path) -> None:
    """Superclass, class numbered by superclass, and one active slot in each group."""
    for name in ("train.bin", "test.bin"):
        tree_records().tofile(tmp_path / name)
    source = Cifar100FeedSource(work_dir=str(tmp_path), label_kind="tree", num_train=90, num_val=10)

    images, coarse, fine, vectors = source.arrays("test")

    assert images.shape == (100, 32, 32, 3)
    assert coarse.tolist() == [19 - n % 20 for n in range(100)]
    assert fine.tolist() == [5 * (19 - n % 20) + n // 20 for n in range(100)]
    groups = vectors.reshape(100, 20, 6)
    assert (groups.sum(2) == 1).all()
    own = groups[np.arange(100), coarse]
    assert (own.argmax(1) == fine % 5).all()
    assert (groups[..., 5].sum(1) == 19).all()
    loss = GroupSoftmaxWithLossLayer(class_num=100, group_size=5)
    logits = torch.full((100, 100), -50.0).scatter_(1, torch.tensor(fine)[:, None], 50.0)
    assert loss([logits, torch.tensor(fine), torch.tensor(vectors)]).item() < 1e-6
    assert loss.evals["accuracy"] == 1


def test_a_tree_needs_all_classes(tmp_path: Path) -> None:
    """Their superclasses are read from the file."""
    for name in ("train.bin", "test.bin"):
        tree_records()[:50].tofile(tmp_path / name)

    with pytest.raises(DataError, match="20 superclasses of 5 classes each, got 50 pairs"):
        Cifar100FeedSource(work_dir=str(tmp_path), label_kind="tree", num_train=9).arrays("test")
