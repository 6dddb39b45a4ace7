import numpy as np
import pytest

from akid.errors import SetupError
from akid.sensing.datasets.synthetic import SyntheticFeedSource


def test_the_same_arguments_give_the_same_data() -> None:
    """Another seed gives others; sizes are the asked ones."""
    make = SyntheticFeedSource
    sizes = {"num_train": 30, "num_val": 6, "num_test": 9}
    source = make((4, 5, 2), **sizes)

    assert source.arrays("train")[0].shape == (30, 4, 5, 2)
    assert [source.num_samples(split) for split in ("val", "test")] == [6, 9]
    assert source.fingerprint() == make([4, 5, 2], **sizes, name="again").fingerprint()
    assert source.fingerprint() != make((4, 5, 2), **sizes, data_seed=1).fingerprint()


def test_a_class_is_its_pattern_and_noise() -> None:
    """Without noise equal, with it the nearest pattern still tells the class."""
    silent = SyntheticFeedSource((8, 8, 1), noise=0, num_classes=4)
    images, labels = silent.arrays("train")
    patterns = np.stack([images[labels == kind][0] for kind in range(4)])
    assert all((images[labels == kind] == patterns[kind]).all() for kind in range(4))

    noisy, classes = SyntheticFeedSource((8, 8, 1), noise=1, num_classes=4).arrays("test")

    distance = ((noisy[:, None] - patterns) ** 2).sum((2, 3, 4))
    assert (distance.argmin(1) == classes).mean() > 0.95


@pytest.mark.parametrize("wrong", [{"shape": (0, 3, 1)}, {"num_classes": 0}, {"num_test": -1}])
def test_impossible_sizes_are_refused(wrong: dict[str, object]) -> None:
    """The error shows all of them."""
    with pytest.raises(SetupError, match="expected sizes"):
        SyntheticFeedSource(**wrong)
