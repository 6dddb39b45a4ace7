import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from akid.sensing.split import random_order, stratified_order


def test_the_random_order_is_fixed_for_ever() -> None:
    """These very numbers stand behind every published result."""
    assert random_order(8).tolist() == [1, 3, 4, 7, 0, 5, 6, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.data())
def test_every_piece_of_a_stratified_order_is_in_proportion(
    classes: list[int], data: st.DataObject
) -> None:
    """It is a permutation, and in any contiguous piece no class is off its share by more than 2."""
    labels = np.array(classes)
    start = data.draw(st.integers(0, len(labels)))
    stop = data.draw(st.integers(start, len(labels)))

    order = stratified_order(labels)

    assert sorted(order) == list(range(len(labels)))
    piece = labels[order[start:stop]]
    for kind in np.unique(labels):
        share = (labels == kind).mean() * len(piece)
        assert abs((piece == kind).sum() - share) <= 1 + len(np.unique(labels)) / 2
