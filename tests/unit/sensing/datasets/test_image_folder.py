from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from akid.errors import DataError, SetupError
from akid.sensing.datasets.image_folder import ImageFolderFeedSource
from akid.sensing.sensor import FeedSensor

COLORS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def fill(folder: Path, num: int, size: tuple[int, int] = (12, 9)) -> None:
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(num):
            Image.new("RGB", size, color).save(folder / name / f"{number}.png")


def source(folder: Path, **kwargs: object) -> ImageFolderFeedSource:
    return ImageFolderFeedSource("Source", work_dir=str(folder), **{"size": [6, 8], **kwargs})


def test_pictures_are_served_in_the_asked_size_with_their_classes(tmp_path: Path) -> None:
    """Classes are numbered by name; the colour shows which picture it is."""
    fill(tmp_path, 5)
    folder = source(tmp_path, num_val=2, center=True, scale=True)

    images, labels = folder.get_batch(8)

    assert folder.class_names == ["blue", "red"]
    assert images.shape == (8, 6, 8, 3)
    expected = np.where(labels == 0, -0.5, 0.5)
    np.testing.assert_allclose(images[:, 0, 0, 0], expected)
    assert sorted(folder.all_labels("val")) == [0, 1]


def test_folders_of_splits_are_the_splits(tmp_path: Path) -> None:
    """ImageNet's layout; where there is no folder for validation it comes out of training."""
    fill(tmp_path / "train", 4)
    fill(tmp_path / "test", 1)
    sizes = [source(tmp_path, num_val=2).num_samples(s) for s in ("train", "val", "test")]
    assert sizes == [6, 2, 2]
    fill(tmp_path / "val", 3)

    again = source(tmp_path, num_val=2)

    assert [again.num_samples(s) for s in ("train", "val", "test")] == [8, 6, 2]
    assert again.fingerprint() != source(tmp_path, scale=True).fingerprint()
    with pytest.raises(SetupError, match=r"\['test', 'train', 'val'\], got split='all'"):
        again.num_samples("all")


def test_the_middle_is_kept_and_grey_has_one_channel(tmp_path: Path) -> None:
    """A wide picture is cut at both sides, not squeezed."""
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    (tmp_path / "kind").mkdir()
    Image.fromarray(pixels).save(tmp_path / "kind" / "picture.png")

    images, _ = source(tmp_path, size=[10, 10], num_channels=1).read("train", np.array([0]))

    assert images.shape == (1, 10, 10, 1)
    assert (images == 200).all()


def test_a_sensor_reads_them_exactly_once_an_epoch(tmp_path: Path) -> None:
    """Also while prefetching."""
    fill(tmp_path, 5)
    sensor = FeedSensor(source(tmp_path), batch_size=4, prefetch=2)

    labels = np.concatenate([batch[1].numpy() for batch in sensor])
    sensor.close()

    assert np.bincount(labels).tolist() == [5, 5]
    assert sensor.data().shape == (2, 3, 6, 8)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    """The error comes when it is read."""
    fill(tmp_path, 1)
    (tmp_path / "red" / "0.png").write_bytes(b"nothing")

    with pytest.raises(DataError, match=r"red/0.png"):
        source(tmp_path).get_batch(2)


def test_what_is_not_laid_out_like_that_is_refused(tmp_path: Path) -> None:
    """No folder, no pictures, or a class that training does not know."""
    with pytest.raises(DataError, match="expected a folder"):
        source(tmp_path / "none").setup()
    with pytest.raises(DataError, match=r"got 0 picture"):
        source(tmp_path).setup()
    fill(tmp_path / "train", 1)
    fill(tmp_path / "val", 1)
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "green")
    with pytest.raises(DataError, match=r"unknown classes \['green'\]"):
        source(tmp_path).setup()


@pytest.mark.parametrize("wrong", [{"size": [3]}, {"size": [0, 3]}, {"num_channels": 2}])
def test_impossible_settings_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Checked when the source is made."""
    with pytest.raises(SetupError, match="expected size as"):
        source(tmp_path, **wrong)
