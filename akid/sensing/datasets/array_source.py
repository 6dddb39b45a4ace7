"""ArrayFeedSource: data that are in memory as arrays already."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource, UnlabelledSource


class _GivenArrays(InMemoryFeedSource):
    def __init__(self, name: str | None, splits: dict[str, Arrays], **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._splits = splits

    def _load(self) -> Mapping[str, Arrays]:
        return self._splits


@final
class ArrayFeedSource(SupervisedSource, _GivenArrays):
    """A source of given images and labels.

    Args:
        images: Training (and validation) examples.
        labels: Their labels: classes as integers, or numbers.
        test: Images and labels of the test split.
        center: Subtract 127.5.
        scale: Divide by 255 (after centring).
        num_train: Training examples; None for all that are left.
        num_val: Validation examples.
        name: The block's name.

    Shape:
        images: `(N, H, W, C)`, or `(N, ...)` of another number of dimensions.
        labels: `(N, ...)`.

    >>> source = ArrayFeedSource(np.zeros((6, 4, 4, 1)), np.arange(6), num_val=2)
    >>> source.num_samples("train")
    4
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        center: bool = False,
        scale: bool = False,
        num_train: int | None = None,
        num_val: int = 0,
        name: str | None = None,
    ) -> None:
        splits: dict[str, Arrays] = {"train": (np.asarray(images), np.asarray(labels))}
        if test is not None:
            splits["test"] = (np.asarray(test[0]), np.asarray(test[1]))
        super().__init__(
            name, splits, center=center, scale=scale, num_train=num_train, num_val=num_val
        )


@final
class UnlabelledArrayFeedSource(UnlabelledSource, _GivenArrays):
    """A source of given images without labels.

    Args:
        images: Training (and validation) examples.
        test: Images of the test split.
        center: Subtract 127.5.
        scale: Divide by 255 (after centring).
        num_train: Training examples; None for all that are left.
        num_val: Validation examples.
        name: The block's name.

    Shape:
        images: `(N, H, W, C)`, or `(N, ...)` of another number of dimensions.
    """

    def __init__(
        self,
        images: ArrayLike,
        *,
        test: ArrayLike | None = None,
        center: bool = False,
        scale: bool = False,
        num_train: int | None = None,
        num_val: int = 0,
        name: str | None = None,
    ) -> None:
        splits: dict[str, Arrays] = {"train": (np.asarray(images),)}
        if test is not None:
            splits["test"] = (np.asarray(test),)
        super().__init__(
            name, splits, center=center, scale=scale, num_train=num_train, num_val=num_val
        )
