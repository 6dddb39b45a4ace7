import copy
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.core import seeding
from akid.errors import CheckpointError, SetupError
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import (
    Arrays,
    FeedSource,
    InMemoryFeedSource,
    StaticSource,
    SupervisedSource,
    UnlabelledSource,
)


def make(seed: int = 0, num_train: int = 250, **kwargs: object) -> FeedSensor:
    source = DigitsFeedSource(name="Source", num_train=num_train, num_val=130)
    sensor = FeedSensor(source_in=source, name="Sensor", **kwargs)
    with seeding.seed_scope(seed):
        sensor.setup()
    return sensor


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_documented_calls_give_tensors() -> None:
    """setup, data and labels, for training and validation."""
    sensor = make()

    assert sensor.data().shape == (100, 1, 8, 8)
    assert sensor.data().dtype == torch.float32
    assert sensor.labels().shape == (100,)
    assert sensor.labels().dtype == torch.int64
    assert sensor.data(get_val=True).shape == (100, 1, 8, 8)


def test_looking_at_the_current_batch_uses_nothing_up() -> None:
    """Before the first step it is the batch to come, after it the one that was given."""
    sensor = make()
    coming = sensor.current_batch()

    first = sensor.next_batch()

    assert same(coming, first)
    assert sensor.data() is first[0]
    assert not same(sensor.next_batch(), first)


def test_an_epoch_of_training_gives_every_example_once() -> None:
    """Two full batches and a short one, then the next epoch in another order."""
    sensor = make()

    first, second = list(sensor), list(sensor)

    assert [len(batch[0]) for batch in first] == [100, 100, 50]
    assert sensor.num_batches_per_epoch_train == 3
    whole, again = (torch.cat([data for data, _ in part]) for part in (first, second))
    source = sensor.source.prepared("train").tensors[0]
    for seen in (whole, again):
        assert torch.equal(seen.flatten(1).sum(1).sort()[0], source.flatten(1).sum(1).sort()[0])
    assert not torch.equal(whole, again)


@pytest.mark.parametrize(("split", "num"), [("train", 250), ("val", 130), ("test", 360)])
def test_an_evaluation_reads_the_whole_split_and_leaves_the_training_alone(
    split: str, num: int
) -> None:
    """All examples in the source's order, as views; the next training batch is what it was."""
    sensor, undisturbed = make(), make()

    batches = list(sensor.epoch(split))

    tensors = sensor.source.prepared(split).tensors
    assert torch.equal(torch.cat([data for data, _ in batches]), tensors[0])
    assert torch.equal(torch.cat([labels for _, labels in batches]), tensors[1])
    assert batches[0][0].data_ptr() == tensors[0].data_ptr()
    assert sensor.num_samples(split) == num
    assert same(sensor.next_batch(), undisturbed.next_batch())


def test_validation_may_be_shuffled() -> None:
    """Another order, and still all examples."""
    sensor = make(val_sampler="shuffle", val_batch_size=60)

    labels = torch.cat([batch[1] for batch in sensor.epoch("val")])

    expected = sensor.source.prepared("val").tensors[1]
    assert sensor.num_batches_per_epoch_val == 3
    assert not torch.equal(labels, expected)
    assert torch.equal(labels.sort()[0], expected.sort()[0])


def test_the_seed_decides_the_order() -> None:
    """The same seed gives the same batches, another one others."""
    first, again, other = make(seed=1).next_batch(), make(seed=1).next_batch(), make(seed=2)

    assert same(first, again)
    assert not same(first, other.next_batch())


@given(st.integers(0, 9), st.integers(1, 90), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_state_dict_resumes_in_mid_epoch(steps: int, batch_size: int, early: bool) -> None:
    """Also in a sensor of another seed, and also if it is loaded before the set-up."""
    undisturbed = make(seed=1, batch_size=batch_size)
    for _ in range(steps):
        undisturbed.next_batch()
    state = undisturbed.state_dict()
    resumed = make(seed=2, batch_size=batch_size)
    if early:
        resumed = FeedSensor(resumed.source, batch_size=batch_size, name="Sensor")
    resumed.load_state_dict(state)

    for _ in range(6):
        assert same(resumed.next_batch(), undisturbed.next_batch())


def test_a_state_of_another_training_set_is_refused() -> None:
    """Going on would repeat some examples and lose others."""
    state = make(num_train=250).state_dict()

    with pytest.raises(CheckpointError, match=r"250 examples.*got 200"):
        make(num_train=200).load_state_dict(state)


@pytest.mark.parametrize("num_workers", [1, 2, 3, 7])
def test_workers_share_every_batch_and_every_evaluation_exactly(num_workers: int) -> None:
    """Together the workers see what one would see, each example once."""
    alone = make()
    workers = [make() for _ in range(num_workers)]
    for rank, worker in enumerate(workers):
        worker.share(rank, num_workers)

    for _ in range(4):
        parts = [worker.next_batch() for worker in workers]
        assert sum(len(part[0]) for part in parts) == len(alone.next_batch()[0])
    val = torch.cat([data for worker in workers for data, _ in worker.epoch("val")])
    assert torch.equal(val, alone.source.prepared("val").tensors[0])


def test_a_sensor_follows_to_another_dtype() -> None:
    """What torch does with a module works: the batches come in the sensor's dtype."""
    sensor = make().to(torch.float64)

    assert sensor.next_batch()[0].dtype == torch.float64
    assert next(sensor.epoch("val"))[0].dtype == torch.float64
    assert sensor.next_batch()[1].dtype == torch.int64


def test_copies_and_pickles_are_small_and_give_the_same_batches() -> None:
    """A sensor travels without its data, and goes on where it was."""
    sensor = make()
    sensor.next_batch()

    content = pickle.dumps(sensor)

    assert len(content) < 20_000
    others = [pickle.loads(content), copy.deepcopy(sensor)]
    expected = sensor.next_batch()
    assert all(same(other.next_batch(), expected) for other in others)


def test_the_source_must_be_a_feed_source() -> None:
    """The error says what it got."""
    with pytest.raises(SetupError, match=r"expected source_in to be a FeedSource.*type Linear"):
        FeedSensor(torch.nn.Linear(1, 1), name="Sensor")


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"val_batch_size": -1}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    """A batch has at least one example."""
    with pytest.raises(SetupError, match=next(iter(sizes))):
        FeedSensor(DigitsFeedSource(), **sizes)


def test_an_empty_split_can_not_be_read() -> None:
    """A mean over nothing would be NaN: the error names the split and what to do."""
    sensor = FeedSensor(DigitsFeedSource(num_train=10, num_val=0))

    with pytest.raises(SetupError, match=r"split='val'.*Raise num_val"):
        sensor.epoch("val")


class Features(UnlabelledSource, InMemoryFeedSource):
    def _load(self) -> Mapping[str, Arrays]:
        return {"train": (np.arange(12.0).reshape(6, 2),)}


class Pairs(SupervisedSource, InMemoryFeedSource):
    def _load(self) -> Mapping[str, Arrays]:
        return {"train": (np.zeros((6, 2)), np.arange(6), np.linspace(0, 1, 6))}


class Calls(SupervisedSource, StaticSource, FeedSource):
    def get_batch(self, num: int, get_val: bool = False) -> Arrays:
        return np.zeros((num, 4, 4, 3)), np.full(num, int(get_val))


def test_batches_hold_as_many_labels_as_the_source_gives() -> None:
    """None, several, or one: labels() is a tensor in the last case only."""
    assert FeedSensor(Features()).labels() == []
    coarse, fine = FeedSensor(Pairs()).labels()
    assert (coarse.dtype, fine.dtype) == (torch.int64, torch.float32)


def test_a_source_that_only_gives_batches_is_asked_for_each() -> None:
    """Whatever implements get_batch can be sensed, the last batches short."""
    sensor = FeedSensor(Calls(num_train=250, num_val=130))

    assert [len(data) for data, _ in sensor] == [100, 100, 50]
    assert [len(data) for data, _ in sensor.epoch("val")] == [100, 30]
    assert sensor.data().shape == (50, 3, 4, 4)
    assert sensor.labels(get_val=True).unique().tolist() == [1]
