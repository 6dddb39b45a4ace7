import numpy as np
import pytest

from akid.errors import SetupError
from akid.sensing.datasets.array_source import ArrayFeedSource, UnlabelledArrayFeedSource
from akid.sensing.sensor import FeedSensor


def test_given_arrays_are_split_and_served() -> None:
    """Validation comes out of the training images, the test split is as given."""
    images = np.arange(80, dtype=np.uint8).reshape(10, 2, 2, 2)
    source = ArrayFeedSource(
        images, np.arange(10), test=(images[:3], [7, 8, 9]), scale=True, num_val=4
    )

    train, val = source.arrays("train"), source.arrays("val")

    assert sorted([*train[1], *val[1]]) == list(range(10))
    np.testing.assert_allclose(train[0], images[train[1]] / 255, rtol=1e-6)
    assert source.arrays("test")[1].tolist() == [7, 8, 9]


def test_images_without_labels_make_batches_of_one_tensor() -> None:
    """For what learns without a teacher."""
    source = UnlabelledArrayFeedSource(np.zeros((6, 5)), test=np.ones((2, 5)), num_val=1)

    assert [len(batch) for batch in FeedSensor(source, batch_size=4)] == [1, 1]
    assert next(FeedSensor(source).epoch("test"))[0].shape == (2, 5)
    assert len(source.get_batch(3)) == 1


def test_two_sources_of_arrays_do_not_share_data() -> None:
    """Each has its own, even with equal settings."""
    one, two = (ArrayFeedSource(np.full((4, 2), value), np.arange(4)) for value in (1, 2))

    assert one.arrays("train")[0].max() == 1
    assert two.arrays("train")[0].max() == 2


def test_nothing_may_be_left_to_train_on() -> None:
    """All examples for validation is an error, as is more than there are."""
    for num_val in (4, 5):
        with pytest.raises(SetupError, match="at most 4"):
            ArrayFeedSource(np.zeros((4, 2)), np.arange(4), num_val=num_val).setup()
