import copy
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from akid.core import seeding
from akid.errors import DataError, SetupError
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.source import Arrays, FeedSource, InMemoryFeedSource, SupervisedSource


class Numbers(SupervisedSource, InMemoryFeedSource):
    """Image k holds the number k everywhere, and so does its label."""

    def _load(self) -> Mapping[str, Arrays]:
        numbers = np.arange(20)
        return {"train": (np.tile(numbers[:, None, None, None], (1, 2, 3, 1)), numbers)}


def test_an_abstract_source_can_not_be_made() -> None:
    """What is left abstract must be implemented first."""
    with pytest.raises(TypeError, match="abstract"):
        FeedSource()


def test_get_batch_works_without_set_up_and_gives_each_example_once_an_epoch() -> None:
    """Batches of documented layout; ten of them are an epoch, across whose end a batch may go."""
    source = Numbers(num_train=16, num_val=4)

    images, labels = source.get_batch(10)
    seen = [*labels, *source.get_batch(6)[1]]

    assert images.shape == (10, 2, 3, 1)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert sorted(seen) == sorted(source.arrays("train")[1])
    assert source.get_batch(40)[1].shape == (40,)
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_validation_batches_come_in_order_and_change_nothing_for_training() -> None:
    """Reading validation examples does not move the training examples."""
    with seeding.seed_scope(3):
        plain, mixed = Numbers(num_train=16, num_val=4), Numbers(num_train=16, num_val=4)
        first = plain.get_batch(5)[1].tolist()
        val = mixed.get_batch(4, get_val=True)[1].tolist()
        second = mixed.get_batch(5)[1].tolist()

    assert first == second
    assert val == mixed.arrays("val")[1].tolist()
    assert not set(val) & set(mixed.arrays("train")[1].tolist())


def test_num_train_of_none_takes_all_that_are_left() -> None:
    """The default leaves nothing unused."""
    source = Numbers(num_val=5)

    assert [source.num_samples(split) for split in ("train", "val", "test")] == [15, 5, 0]


def test_an_unknown_split_lists_the_known_ones() -> None:
    """A slip of the pen is answered with what there is."""
    with pytest.raises(SetupError, match=r"\['test', 'train', 'val'\], got split='valid'"):
        Numbers().arrays("valid")


def test_lengths_must_agree() -> None:
    """More images than labels are found out."""

    class Uneven(Numbers):
        def _load(self) -> Mapping[str, Arrays]:
            return {"train": (np.zeros((3, 2)), np.zeros(2))}

    with pytest.raises(DataError, match=r"length \[3, 2\]"):
        Uneven().setup()


@pytest.mark.parametrize("sizes", [{"num_train": 0}, {"num_val": -1}])
def test_impossible_sizes_are_refused_when_made(sizes: dict[str, int]) -> None:
    """The error names the argument."""
    with pytest.raises(SetupError, match=next(iter(sizes))):
        Numbers(**sizes)


def test_data_are_shared_and_read_only() -> None:
    """Two sources of the same settings hold one copy; numpy views of it can't be written to."""
    first, second = DigitsFeedSource(scale=True), DigitsFeedSource(name="other", scale=True)

    assert first.prepared("train").tensors[0] is second.prepared("train").tensors[0]
    assert DigitsFeedSource().prepared("train") is not first.prepared("train")
    with pytest.raises(ValueError, match="read-only"):
        first.arrays("train")[0][0] = 1


def test_the_fingerprint_tells_data_and_settings_apart() -> None:
    """Equal data give equal fingerprints, other settings or splits others."""
    prints = {
        source.fingerprint()
        for source in (
            DigitsFeedSource(),
            DigitsFeedSource(name="again"),
            DigitsFeedSource(scale=True),
            DigitsFeedSource(num_train=1000),
        )
    }

    assert len(prints) == 3
    assert all(len(text) == 64 for text in prints)


def test_copies_and_pickles_carry_no_data_and_serve_the_same() -> None:
    """What goes to another process is small, and finds its data there."""
    source = DigitsFeedSource(scale=True)
    source.setup()

    content = pickle.dumps(source)

    assert len(content) < 5000
    for other in (pickle.loads(content), copy.deepcopy(source)):
        assert torch.equal(other()[0], source()[0])
