import numpy as np
import pytest
import torch

from akid.errors import ShapeError
from akid.sensing.feed import CallFeed, TensorFeed
from akid.sensing.prepared import PreparedSplit
from akid.sensing.source import FeedSource, StaticSource, SupervisedSource


class Counting(SupervisedSource, StaticSource, FeedSource):
    def get_batch(self, num: int, get_val: bool = False) -> tuple[np.ndarray, ...]:
        num = min(num, 6)
        return np.full((num, 2, 3, 1), float(get_val)), np.arange(num, dtype=np.int32)


def test_a_piece_is_a_view_and_a_pick_a_copy() -> None:
    """Evaluation costs no memory."""
    tensors = [torch.arange(6.0), torch.arange(6)]
    feed = TensorFeed(PreparedSplit(tensors))

    assert feed.cut(2, 4)[0].data_ptr() == tensors[0][2:].data_ptr()
    assert feed.pick(torch.tensor([3, 1]))[1].tolist() == [3, 1]


def test_batches_of_a_call_become_tensors() -> None:
    """NHWC becomes NCHW, labels become int64, and the asked dtype is used."""
    feed = CallFeed(Counting(num_train=6), get_val=True)
    feed.to(torch.device("cpu"), torch.float64)

    data, labels = feed.cut(0, 5)

    assert data.shape == (5, 1, 2, 3)
    assert data.dtype == torch.float64
    assert data.unique().tolist() == [1.0]
    assert labels.dtype == torch.int64


def test_a_source_that_gives_another_number_is_found_out() -> None:
    """Samples that are lost silently would falsify every mean."""
    with pytest.raises(ShapeError, match=r"get_batch\(7\) to return 7 examples"):
        CallFeed(Counting(num_train=6), get_val=False).cut(0, 7)
