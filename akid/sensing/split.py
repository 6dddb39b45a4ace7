"""Splits: which examples are for training, validation and testing, the same for every repeat."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SPLITS: Final = ("train", "val", "test")
"""The names of the splits: to learn from, to select by, and to report on once."""

_SEED: Final = 20170817


def random_order(num_samples: int) -> NDArray[np.int64]:
    """Return a permutation that depends on the number of examples alone.

    >>> random_order(4).tolist() == random_order(4).tolist()
    True
    """
    return _generator().permutation(num_samples).astype(np.int64)


def stratified_order(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return a permutation of which every contiguous piece holds the classes in their proportion.

    Each example gets the place, between 0 and 1, that it has among the (shuffled) examples of its
    class; the examples are then sorted by place. A piece's class counts differ from the exact
    proportion by at most 1 or 2.

    >>> labels = np.array([0, 0, 0, 0, 1, 1])
    >>> sorted(labels[stratified_order(labels)[:3]].tolist())
    [0, 0, 1]
    """
    shuffled = random_order(len(labels))
    place = np.empty(len(labels))
    for kind in np.unique(labels):
        members = shuffled[labels[shuffled] == kind]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def _generator() -> np.random.RandomState:
    # NumPy froze the stream of RandomState for ever; that of its newer generators may change, and
    # with it would change what earlier results were measured on.
    return np.random.RandomState(_SEED)
