from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from akid.sensing.datasets.mnist import MNISTFeedSource


@pytest.mark.data
def test_the_documented_source_serves_the_real_digits(real_data: Callable[[str], Path]) -> None:
    """The documentation's call works; class counts are those of the official files."""
    real_data("MNIST/raw")
    source = MNISTFeedSource(
        name="MNIST",
        url="http://yann.lecun.com/exdb/mnist/",
        work_dir="mnist",
        center=True,
        scale=True,
        num_train=50000,
        num_val=10000,
    )

    images, labels = source.get_batch(100, get_val=False)

    assert (images.shape, images.dtype, labels.shape) == ((100, 28, 28, 1), np.float32, (100,))
    assert (images.min(), images.max()) == (-0.5, 0.5)
    sizes = [source.num_samples(split) for split in ("train", "val", "test")]
    assert sizes == [50000, 10000, 10000]
    counts = sum(np.bincount(source.arrays(split)[1]) for split in ("train", "val"))
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert source.arrays("test")[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
