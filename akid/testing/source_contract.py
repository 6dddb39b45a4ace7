"""The contract for sources: inherit it in pytest, say how the source is made, and run.

>>> from akid.sensing.datasets.digits import DigitsFeedSource
>>> class TestDigits(SourceContract):
...     def make_source(self):
...         return DigitsFeedSource(name="Source", num_train=100, num_val=20)
>>> TestDigits().test_gives_as_many_examples_as_it_is_asked_for()
"""
# Shape legend: N = examples, C = channels, H = height, W = width.

import copy
import pickle
from typing import ClassVar

import numpy as np
import torch

from akid.core import seeding
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import (
    Arrays,
    FeedSource,
    InMemoryFeedSource,
    SupervisedSource,
    UnlabelledSource,
)
from akid.sensing.split import SPLITS
from akid.testing.other_process import call_elsewhere
from akid.testing.signals import same_bits

_FINGERPRINT_CHARS = 64


class SourceContract:
    """What akid asks of a source of a fixed number of examples; each method is a test.

    Attributes:
        has_duplicates: Whether one example may be in training and in validation because the data
            set holds it twice.
    """

    has_duplicates: ClassVar[bool] = False

    def make_source(self) -> FeedSource:
        """Return a new source, each time of the same description; small ones are tested fast."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_source().")

    def expected_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one example as `get_batch` gives it; None where none is declared."""
        return None

    def test_gives_as_many_examples_as_it_is_asked_for(self) -> None:
        """`get_batch` works by itself, for both splits: numpy arrays, finite, labels to match."""
        for get_val in self._modes():
            for num in (1, 3):
                batch = self.make_source().get_batch(num, get_val=get_val)
                self._check(batch, num)

    def test_has_labels_if_it_says_so(self) -> None:
        """A `SupervisedSource` has them, an `UnlabelledSource` has none."""
        source = self.make_source()
        num_labels = len(source.get_batch(2)) - 1
        if isinstance(source, SupervisedSource):
            assert num_labels >= 1, f"{source.label}: expected labels of a SupervisedSource."
        if isinstance(source, UnlabelledSource):
            assert num_labels == 0, f"{source.label}: expected no labels, got {num_labels}."

    def test_says_how_many_examples_it_has(self) -> None:
        """Each split has a number of examples, that of training at least 1."""
        source = self.make_source()
        source.setup()
        numbers = [source.num_samples(split) for split in SPLITS]
        assert all(isinstance(n, int) and n >= 0 for n in numbers), numbers
        assert numbers[0] >= 1, f"{source.label}: expected training examples, got none."

    def test_the_same_seed_gives_the_same_batches(self) -> None:
        """Two sources of one description serve the same examples in the same order."""
        for get_val in self._modes():
            one, other = (_first_batches(self.make_source(), get_val) for _ in range(2))
            assert _agree(one, other), (
                f"{self.make_source().label}: expected the same batches under the same seed."
                " Draw from seeding.generator, or from a seed that is an argument."
            )

    def test_its_fingerprint_tells_its_data(self) -> None:
        """It is a SHA-256 in hex digits, the same for every copy and before and after reading."""
        source = self.make_source()
        before = source.fingerprint()
        source.get_batch(2)
        assert len(before) == _FINGERPRINT_CHARS, f"{source.label}: {before!r} is no SHA-256."
        assert int(before, 16) >= 0
        assert source.fingerprint() == before == self.make_source().fingerprint(), (
            f"{source.label}: expected one fingerprint for the same data, got several."
        )

    def test_who_writes_into_a_batch_does_not_change_the_data(self) -> None:
        """Batches are copies, or read-only."""
        source = self.make_source()
        batch = source.get_batch(2, get_val=False)
        before = source.fingerprint()
        for array in batch:
            if array.flags.writeable:
                array[...] = 0
        again = _first_batches(self.make_source(), get_val=False)
        assert source.fingerprint() == before
        assert any(array.any() for array in again[0]), (
            f"{source.label}: writing into a batch changed the data of another source."
        )

    def test_a_sensor_serves_it(self) -> None:
        """A training epoch has every example once, an evaluation all of its split, as tensors."""
        sensor = self._sensor()
        served = sum(len(sensor.next_batch()[0]) for _ in range(sensor.num_batches_per_epoch_train))
        assert served == sensor.num_samples("train"), (
            f"{sensor.source.label}: expected {sensor.num_samples('train')} examples an epoch,"
            f" got {served}."
        )
        for split in SPLITS[1:]:
            if sensor.num_samples(split):
                assert sum(len(b[0]) for b in sensor.epoch(split)) == sensor.num_samples(split)
        data, *labels = sensor.next_batch()
        assert data.is_floating_point(), f"expected float data, got {data.dtype}."
        assert all(len(label) == len(data) for label in labels)

    def test_a_sensor_resumes_it(self) -> None:
        """A sensor that loads the state of another one gives the next batch of that one."""
        if not hasattr(self.make_source(), "prepared") and not hasattr(self.make_source(), "read"):
            return
        one, other = self._sensor(), self._sensor()
        one.next_batch()
        other.load_state_dict(one.state_dict())
        assert same_bits(one.next_batch(), other.next_batch()), (
            f"{one.source.label}: expected the resumed sensor's batch to be the undisturbed one's."
        )

    def test_training_and_validation_are_disjoint(self) -> None:
        """No example that training sees is in the validation split."""
        source = self.make_source()
        if self.has_duplicates or not isinstance(source, InMemoryFeedSource):
            return
        splits = [
            {np.ascontiguousarray(example).tobytes() for example in source.arrays(split)[0]}
            for split in SPLITS[:2]
        ]
        assert not splits[0] & splits[1], (
            f"{source.label}: {len(splits[0] & splits[1])} examples are in both splits."
        )

    def test_copies_and_other_processes_serve_the_same(self) -> None:
        """Copied, pickled, and sent to another process it serves the same data."""
        source = self.make_source()
        source.setup()
        expected = source.fingerprint(), [source.num_samples(split) for split in SPLITS]
        for twin in (copy.deepcopy(source), pickle.loads(pickle.dumps(source))):  # noqa: S301
            assert _told(twin) == expected, f"{source.label}: expected a copy to serve the same."
        assert call_elsewhere(_told, source) == expected, (
            f"{source.label}: expected the same fingerprint and numbers in another process."
        )

    def test_is_set_up_once(self) -> None:
        """A second set-up does nothing, and a hook runs once."""
        source, seen = self.make_source(), list[object]()
        source.post_setup_hooks.append(seen.append)
        for _ in range(2):
            source.setup()
        assert source.is_setup
        assert len(seen) == 1

    def _modes(self) -> list[bool]:
        source = self.make_source()
        source.setup()
        return [False, True] if source.num_samples("val") else [False]

    def _sensor(self) -> FeedSensor:
        sensor = FeedSensor(self.make_source(), batch_size=4, val_batch_size=4, name="sensor")
        with seeding.seed_scope(0):
            sensor.setup()
        return sensor

    def _check(self, batch: Arrays, num: int) -> None:
        who = self.make_source().label
        assert all(isinstance(array, np.ndarray) for array in batch), (
            f"{who}: expected numpy arrays, got {[type(array).__name__ for array in batch]}."
        )
        assert {len(array) for array in batch} == {num}, (
            f"{who}: expected {num} examples, got {[len(array) for array in batch]}."
        )
        shape = self.expected_shape()
        assert shape is None or batch[0].shape[1:] == shape, (
            f"{who}: expected examples of shape {shape}, got {batch[0].shape[1:]}."
        )
        assert all(np.isfinite(array).all() for array in batch), f"{who}: gave NaN or infinity."


def _first_batches(source: FeedSource, get_val: bool) -> list[Arrays]:
    with seeding.seed_scope(0):
        torch.manual_seed(0)
        return [source.get_batch(3, get_val=get_val) for _ in range(2)]


def _agree(one: list[Arrays], other: list[Arrays]) -> bool:
    return all(
        np.array_equal(left, right)
        for batches in zip(one, other, strict=True)
        for left, right in zip(*batches, strict=True)
    )


def _told(source: FeedSource) -> tuple[str, list[int]]:
    return source.fingerprint(), [source.num_samples(split) for split in SPLITS]
