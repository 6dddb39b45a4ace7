"""Splits: which examples are for training, validation and testing, the same for every repeat."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from akid.errors import SetupError

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


def divide(
    order: NDArray[np.int64], *, num_train: int | None, num_val: int, who: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training examples, from the order's start, and the validation ones, from its end.

    So neither depends on how many there are of the other.

    Args:
        order: All examples that are for either.
        num_train: How many to train on; None for all that are left.
        num_val: How many to validate on.
        who: The source's name, for the error.

    Raises:
        SetupError: If there are not enough examples.

    >>> [part.tolist() for part in divide(np.arange(5), num_train=2, num_val=1, who="Source")]
    [[0, 1], [4]]
    """
    if (num_train or 0) + num_val > len(order) or num_val == len(order):
        raise SetupError(
            f"{who}: expected num_train + num_val of at most {len(order)}, the number of training"
            f" examples, got num_train={num_train!r} and num_val={num_val!r}. Lower one of them."
        )
    cut = len(order) - num_val
    return order[: cut if num_train is None else num_train], order[cut:]


def _generator() -> np.random.RandomState:
    # NumPy froze the stream of RandomState for ever; that of its newer generators may change, and
    # with it would change what earlier results were measured on.
    return np.random.RandomState(_SEED)
