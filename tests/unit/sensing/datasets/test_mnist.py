import subprocess
import sys
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


CHILD = """
import time
import torch
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.sensor import FeedSensor

def own_bytes():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Anonymous:"))

torch.randperm(50000)
before = own_bytes()
start_s = time.perf_counter()
sensor = FeedSensor(MNISTFeedSource(name="Source", center=True, scale=True), name="Sensor")
sensor.setup()
sensor.data()
print(time.perf_counter() - start_s)
total = sum(float(batch[0].sum()) for batch in sensor.epoch("train"))
print(own_bytes() - before)
"""


@pytest.mark.data
def test_the_second_trial_has_its_data_at_once_and_without_a_copy(
    real_data: Callable[[str], Path],
) -> None:
    """In another process: within 50 ms, and reading all of it takes no memory of its own."""
    real_data("MNIST/raw")
    MNISTFeedSource(name="Source", center=True, scale=True).setup()

    for _ in range(3):  # the machine may be busy: one of three must do
        answer = subprocess.run(
            [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True
        )
        seconds, own_bytes = (float(line) for line in answer.stdout.split())
        if seconds <= 0.05:
            break

    assert seconds <= 0.05
    assert own_bytes < 10e6
