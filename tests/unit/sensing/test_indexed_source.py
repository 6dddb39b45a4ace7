import numpy as np
import torch
from numpy.typing import NDArray

from akid.core import seeding
from akid.sensing.indexed_source import IndexedFeedSource
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import Arrays, SupervisedSource


class Squares(SupervisedSource, IndexedFeedSource):
    """Example k is the number k and its square."""

    def read(self, split: str, indices: NDArray[np.int64]) -> Arrays:
        offset = {"train": 0, "val": 100}[split]
        numbers = (indices + offset).astype(np.float32)
        return numbers[:, None], indices**2

    def all_labels(self, split: str) -> NDArray[np.int64]:
        return np.arange(self.num_samples(split)) // 8


def test_get_batch_gives_every_example_once_an_epoch() -> None:
    """Training ones shuffled, validation ones in order."""
    source = Squares(num_train=10, num_val=4)

    data, labels = source.get_batch(10)

    assert sorted(data[:, 0]) == list(range(10))
    assert (labels == data[:, 0] ** 2).all()
    assert source.get_batch(3, get_val=True)[0][:, 0].tolist() == [100, 101, 102]


def test_a_sensor_shuffles_and_resumes_what_is_read_on_demand() -> None:
    """Reading example by example differs from memory in speed alone, prefetched or not."""

    def make(prefetch: int) -> FeedSensor:
        sensor = FeedSensor(Squares(num_train=10, num_val=4), batch_size=4, prefetch=prefetch)
        with seeding.seed_scope(0):
            sensor.setup()
        return sensor

    plain, ahead = make(0), make(2)
    plain.next_batch()
    ahead.load_state_dict(plain.state_dict())

    for _ in range(5):
        expected, got = plain.next_batch(), ahead.next_batch()
        assert torch.equal(got[0], expected[0])
        assert torch.equal(got[1], expected[0][:, 0].long() ** 2)
    ahead.close()
    assert torch.cat([data for data, _ in plain.epoch("val")])[:, 0].tolist() == [
        100,
        101,
        102,
        103,
    ]


def test_labels_that_are_known_can_be_balanced() -> None:
    """Eight of one class and two of the other come five times each."""
    sensor = FeedSensor(Squares(num_train=10), batch_size=10, sampler="class_balanced")

    data = sensor.next_batch()[0]

    assert (data < 8).sum() == 5
