import copy
import logging
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.core import seeding
from akid.errors import SetupError, ShapeError
from akid.layers.padding import PaddingLayer
from akid.sensing.datasets.array_source import ArrayFeedSource
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.integrated_sensor import IntegratedSensor
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.jokers.resize import ResizeJoker
from akid.sensing.jokers.whiten import WhitenJoker


def make(seed: int = 0, **kwargs: object) -> IntegratedSensor:
    source = DigitsFeedSource(name="Source", scale=True, num_train=250, num_val=130)
    sensor = IntegratedSensor(source_in=source, name="data", **{"batch_size": 60, **kwargs})
    sensor.attach(FlipJoker(flip_left_right=True, name="left_right_flip"))
    sensor.attach(PaddingLayer(padding=[4, 4]))
    sensor.attach(CropJoker(height=8, width=8, name="crop"))
    with seeding.seed_scope(seed):
        sensor.setup()
    return sensor


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_training_batches_are_played_on_and_validation_ones_are_not() -> None:
    """Flipped, padded and cropped, with the labels of the examples; validation as it is."""
    sensor = make()

    data, labels = sensor.next_batch()
    again = torch.cat([batch[1] for batch in sensor])

    assert data.shape == (60, 1, 8, 8)
    known = {image.numpy().tobytes() for image in sensor.source.prepared("train").tensors[0]}
    assert sum(image.numpy().tobytes() in known for image in data) < 10
    everything = torch.cat([labels, again])
    assert torch.equal(everything.sort()[0], sensor.source.prepared("train").tensors[1].sort()[0])
    val = torch.cat([batch[0] for batch in sensor.epoch("val")])
    assert torch.equal(val, sensor.source.prepared("val").tensors[0])


def test_images_of_bytes_give_the_same_batches_as_numbers() -> None:
    """Reading bytes and normalising them last is only faster."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    batches = []
    for array in (images, images.astype(np.float32)):
        sensor = IntegratedSensor(
            ArrayFeedSource(array, np.arange(40), center=True, scale=True), batch_size=16
        )
        for joker in (FlipJoker(), PaddingLayer(padding=2), CropJoker(8, 8), WhitenJoker()):
            sensor.attach(joker)
        with seeding.seed_scope(0):
            batches.append(list(sensor))

    for (data, labels), (expected, same_labels) in zip(*batches, strict=True):
        torch.testing.assert_close(data, expected)
        assert torch.equal(labels, same_labels)


def test_every_epoch_plays_other_jokes_and_the_seed_decides_them() -> None:
    """The same seed gives the same images, another seed or epoch others."""
    first, again, other = (make(seed, sampler="sequence") for seed in (1, 1, 2))

    one = first.next_batch()

    assert same(one, again.next_batch())
    assert not same(one, other.next_batch())
    for _ in range(4):
        first.next_batch()
    assert not same(one, first.next_batch())


def test_looking_at_the_current_batch_uses_nothing_up() -> None:
    """What data() shows before the first step is what the first step gets."""
    sensor = make()

    shown = sensor.data()

    assert torch.equal(shown, sensor.next_batch()[0])


@given(st.integers(0, 9), st.sampled_from([0, 1, 3]), st.sampled_from([0, 1, 3]))
@settings(max_examples=20, deadline=None)
def test_a_state_dict_resumes_the_same_jokes_with_and_without_prefetching(
    steps: int, prefetch: int, prefetch_then: int
) -> None:
    """Nothing is lost or repeated, wherever the training stopped."""
    plain, undisturbed = make(seed=1), make(seed=1, prefetch=prefetch)
    for _ in range(steps):
        assert same(undisturbed.next_batch(), plain.next_batch())
    resumed = make(seed=2, prefetch=prefetch_then)
    resumed.next_batch()
    resumed.load_state_dict(undisturbed.state_dict())

    for _ in range(6):
        assert same(resumed.next_batch(), plain.next_batch())
    resumed.close()
    undisturbed.close()


def test_copying_closing_and_epochs_work_while_prefetching() -> None:
    """A copy and a closed sensor go on where the sensor was, to the end of the epoch."""
    threads = threading.active_count()
    plain, sensor = make(), make(prefetch=2)
    assert same(sensor.current_batch(), plain.current_batch())
    assert same(sensor.next_batch(), plain.next_batch())
    copied = copy.deepcopy(sensor)

    sensor.close()

    expected = list(plain)
    for other in (sensor, copied):
        batches = list(other)
        assert len(batches) == 4
        assert all(same(a, b) for a, b in zip(batches, expected, strict=True))
        other.close()
    assert threading.active_count() == threads


def test_workers_get_their_share_of_the_very_same_batch() -> None:
    """Together they see what one would see, flipped and cropped alike."""
    alone, workers = make(), [make() for _ in range(3)]
    for rank, worker in enumerate(workers):
        worker.share(rank, 3)

    for _ in range(6):
        batch = alone.next_batch()
        for rank, worker in enumerate(workers):
            assert same(worker.next_batch(), [tensor[rank::3] for tensor in batch])


def test_a_batch_that_is_kept_does_not_change() -> None:
    """Memory is used again only when nobody holds a batch any more."""
    sensor = make(prefetch=2)
    kept = [sensor.next_batch()[0] for _ in range(8)]
    copies = [data.clone() for data in kept]

    for _ in range(10):
        sensor.next_batch()
    sensor.close()

    assert all(map(torch.equal, kept, copies))


def test_validation_has_jokers_of_its_own() -> None:
    """What is attached to validation changes validation and test batches only."""
    sensor = IntegratedSensor(DigitsFeedSource(num_train=20, num_val=10), batch_size=5)
    sensor.attach(ResizeJoker(4, 4))
    sensor.attach(ResizeJoker(4, 4), to_val=True)
    sensor.attach(WhitenJoker(), to_val=True)

    data = sensor.data(get_val=True)

    assert data.shape == (10, 1, 4, 4)
    torch.testing.assert_close(data.mean((1, 2, 3)), torch.zeros(10), rtol=0, atol=1e-5)
    assert next(sensor.epoch("test"))[0].shape[1:] == (1, 4, 4)
    assert sensor.data().mean() > 1


def test_different_sizes_for_training_and_validation_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The brain would fail at the first validation: the set-up tells."""
    sensor = IntegratedSensor(DigitsFeedSource(), name="data")
    sensor.attach(CropJoker(6, 6))

    with caplog.at_level(logging.WARNING):
        sensor.setup()

    assert "shape (1, 6, 6), validation of shape (1, 8, 8)" in caplog.text


def test_a_joker_that_does_not_fit_fails_at_the_set_up() -> None:
    """Not at some later step."""
    sensor = IntegratedSensor(DigitsFeedSource(), name="data")
    sensor.attach(CropJoker(9, 9, name="crop"))

    with pytest.raises(ShapeError, match="crop: expected images of at least height=9"):
        sensor.setup()


def test_jokers_are_attached_before_the_set_up() -> None:
    """Later ones would change what the brain was set up for."""
    with pytest.raises(SetupError, match="expected jokers before the set-up"):
        make().attach(FlipJoker())


def test_without_jokers_it_is_a_feed_sensor() -> None:
    """A copy of the examples, nothing else."""
    sensor = IntegratedSensor(DigitsFeedSource(num_train=20, num_val=0), sampler="sequence")

    assert torch.equal(sensor.data(), sensor.source.prepared("train").tensors[0])
