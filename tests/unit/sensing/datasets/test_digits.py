import numpy as np
import pytest
from sklearn.datasets import load_digits

from akid.errors import SetupError
from akid.sensing.datasets.digits import DigitsFeedSource


def test_all_images_are_in_exactly_one_split() -> None:
    """1,077 + 360 + 360 = 1,797, and the class counts of all splits add up to the data set's."""
    source = DigitsFeedSource(name="Source")

    labels = [source.arrays(split)[1] for split in ("train", "val", "test")]

    assert [len(array) for array in labels] == [1077, 360, 360]
    total = np.bincount(np.concatenate(labels)).tolist()
    assert total == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_they_are_scikit_learns_own() -> None:
    """Image by image, whatever the split."""
    source, expected = DigitsFeedSource(name="Source"), load_digits()

    images, labels = (
        np.concatenate([source.arrays(split)[which] for split in ("train", "val", "test")])
        for which in (0, 1)
    )
    pixels = images.reshape(1797, 64).astype(int)
    found = sorted((*row, label) for row, label in zip(pixels.tolist(), labels, strict=True))
    theirs = expected.data.astype(int).tolist()
    assert found == sorted((*row, y) for row, y in zip(theirs, expected.target, strict=True))


@pytest.mark.parametrize("num_train", [100, 500, 1077])
def test_every_split_holds_the_classes_in_proportion(num_train: int) -> None:
    """No class is further than two examples from its share."""
    source = DigitsFeedSource(name="Source", num_train=num_train, num_val=300)

    for split in ("train", "val", "test"):
        labels = source.arrays(split)[1]
        counts = np.bincount(labels, minlength=10)
        share = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]) / 1797 * len(labels)
        assert np.abs(counts - share).max() <= 2


def test_the_scale_is_that_of_the_digits() -> None:
    """With centre and scale the pixels 0 to 16 become -0.5 to 0.5."""
    images, _ = DigitsFeedSource(center=True, scale=True).arrays("train")

    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (-0.5, 0.5)


def test_more_than_there_are_is_refused() -> None:
    """The error names both numbers."""
    with pytest.raises(SetupError, match=r"at most 1437.*num_train=1400 and num_val=100"):
        DigitsFeedSource(num_train=1400, num_val=100).setup()
