from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from akid.sensing.datasets.fashion_mnist import FashionMNISTFeedSource


@pytest.mark.data
def test_the_clothes_are_balanced_and_in_range(real_data: Callable[[str], Path]) -> None:
    """6,000 training images of each class, 1,000 in the test set, pixels in [0, 1]."""
    real_data("FashionMNIST/raw")
    source = FashionMNISTFeedSource(name="Source", scale=True)

    counts = sum(np.bincount(source.arrays(split)[1]) for split in ("train", "val"))

    assert counts.tolist() == [6000] * 10
    assert np.bincount(source.arrays("test")[1]).tolist() == [1000] * 10
    assert source.arrays("test")[0].max() == 1
