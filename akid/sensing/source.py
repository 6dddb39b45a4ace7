"""Sources: data sets, composed of small classes by multiple inheritance."""
# Shape legend: N = examples, H = height, W = width, C = channels.

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block
from akid.errors import DataError, SetupError
from akid.sensing import prepared, sampler, split, store
from akid.sensing.datasets.location import data_path
from akid.sensing.prepared import Pixels, Prepared, PreparedSplit
from akid.sensing.split import divide
from akid.sensing.window import Normalization

Arrays: TypeAlias = tuple[NDArray[Any], ...]
"""Images (NHWC, or any array with the examples first), then one array for each kind of label."""


class Source(Block, ABC):
    """What signals come from (a data set): a block without inputs.

    The classes of this module each say one thing about a source; a concrete one inherits those that
    fit and implements what they leave abstract:

    >>> class Noise(SupervisedSource, StaticSource, FeedSource):
    ...     def get_batch(self, num, get_val=False):
    ...         return np.random.rand(num, 8, 8, 1), np.zeros(num, int)
    >>> images, labels = Noise(num_train=50, num_val=10, name="Noise").get_batch(4)
    >>> images.shape
    (4, 8, 8, 1)

    Args:
        name: The block's name.
        url: Where the data can be fetched from.
        work_dir: Where the files lie or are put; None means a folder below `AKID_DATA_PATH`.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        url: str | None = None,
        work_dir: str | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name=name, bag=bag)
        self.url = url
        self.work_dir = work_dir

    @abstractmethod
    def num_samples(self, split: str) -> int:
        """Return how many examples the split ("train", "val" or "test") has."""

    def fingerprint(self) -> str:
        """Return a SHA-256 that changes with the data; here, with the settings that name them."""
        settings = (self.url, self.work_dir, *(self.num_samples(s) for s in split.SPLITS))
        return hashlib.sha256(repr((type(self).__qualname__, settings)).encode()).hexdigest()


class SupervisedSource(Source):
    """A source with labels: its batches are `(images, labels)`."""

    num_labels: ClassVar[int] = 1


class UnlabelledSource(Source):
    """A source without labels: its batches are `(images,)`."""

    num_labels: ClassVar[int] = 0


class StaticSource(Source):
    """A source with a fixed number of examples.

    Args:
        num_train: How many examples are for training; None means all that are left.
        num_val: How many are for validation.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        num_train: int | None = None,
        num_val: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        for argument, number in (("num_train", num_train), ("num_val", num_val)):
            if number is not None and number < (argument == "num_train"):
                raise SetupError(
                    f"{self.label}: expected num_train of at least 1 and num_val of at least 0,"
                    f" got {argument}={number!r}."
                )
        self.num_train = num_train
        self.num_val = num_val

    def num_samples(self, split: str) -> int:
        return {"train": self.num_train or 0, "val": self.num_val}.get(split, 0)


class FeedSource(Source):
    """A source that gives batches as numpy arrays.

    Args:
        center: Subtract the middle of the range, 127.5 for images of bytes.
        scale: Divide by the range, 255 for images of bytes; after centring, so that with both the
            values lie in [-0.5, 0.5], with `scale` alone in [0, 1].
    """

    middle_value: ClassVar[float] = 127.5
    value_range: ClassVar[float] = 255.0

    def __init__(
        self, name: str | None = None, *, center: bool = False, scale: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.center = center
        self.scale = scale

    @abstractmethod
    def get_batch(self, num: int, get_val: bool = False) -> Arrays:
        """Return the next examples, from the validation split if `get_val`.

        Shape:
            output: `(images, labels)`: `(num, H, W, C)` float32 and `(num,)` int64.
        """

    @property
    def normalization(self) -> Normalization:
        """What centring and scaling do, as the source was told to."""
        return Normalization(
            subtract=self.middle_value if self.center else None,
            divide=self.value_range if self.scale else None,
        )


class InMemoryFeedSource(StaticSource, FeedSource):
    """A source whose data fit into memory; a subclass says how they are loaded.

    The validation examples are taken out of the training ones by a permutation that is fixed for
    ever: the splits are disjoint and the same in every run. Prepared data are kept once in a
    process, whichever sources and sensors read them, and are never written to.
    """

    is_stored: ClassVar[bool] = False
    """Whether prepared data are kept as files below `AKID_DATA_PATH`, which all processes of the
    machine share. Only for classes whose `_content` says all that `_load` depends on."""

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._prepared: Prepared | None = None
        self._walks: dict[str, sampler.Sampler] = {}

    @abstractmethod
    def _load(self) -> Mapping[str, Arrays]:
        """Return the raw arrays of "train" and, where the data set has them, "val" and "test"."""

    def _content(self) -> Hashable | None:
        """Return what tells the raw data from all others without loading them, if anything does.

        Sources of one class, content and settings share their data. Missing files are fetched
        here.
        """
        return None

    def _order(self, train: Arrays) -> NDArray[np.int64]:
        """Return the order from whose start training takes examples, validation from its end."""
        return split.random_order(len(train[0]))

    def arrays(self, split: str) -> Arrays:
        """Return all images and labels of a split, as they are served; read-only.

        Shape:
            output: `(images, labels)`: `(N, H, W, C)` float32 and `(N,)` int64.
        """
        views = [t.numpy() for t in self.prepared(split).tensors]
        if views[0].ndim == 4:
            views[0] = views[0].transpose(0, 2, 3, 1)
        for view in views:
            view.flags.writeable = False
        return tuple(views)

    def get_batch(self, num: int, get_val: bool = False) -> Arrays:
        """Return the next examples: training ones shuffled in each epoch, validation in order.

        Works by itself: sets the source up if nobody did.
        """
        name = "val" if get_val else "train"
        arrays = self.arrays(name)
        if name not in self._walks:
            self._walks[name] = sampler.get("sequence" if get_val else "shuffle")
            self._walks[name].setup(len(arrays[0]), seed=seeding.stream_seed("get_batch"))
        indices = self._walks[name].take(num).numpy()
        return tuple(array[indices] for array in arrays)

    def num_samples(self, split: str) -> int:
        return len(self.prepared(split))

    def fingerprint(self) -> str:
        return self._all().fingerprint()

    def prepared(self, split: str) -> PreparedSplit:
        """Return the tensors of a split, NCHW, shared by all who ask.

        Raises:
            SetupError: If there is no split of that name.
        """
        splits = self._all().splits
        if split not in splits:
            raise SetupError(
                f"{self.label}: expected a split of {sorted(splits)}, got split={split!r}."
            )
        return splits[split]

    def forward(self, inputs: Any = None) -> list[Tensor]:  # noqa: ARG002 - a source has no inputs
        """Return the whole training split as tensors (NCHW data, then labels)."""
        return list(self.prepared("train").tensors)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be prepared again by a copy or by another process."""
        return {**self.__dict__, "_prepared": None}

    def _all(self) -> Prepared:
        if not self.is_setup:
            self.setup()
        elif self._prepared is None:
            self._setup(None)
        assert self._prepared is not None
        return self._prepared

    def _setup(self, inputs: Any) -> None:  # noqa: ARG002 - a source has no inputs
        content = self._content()
        if content is None:
            self._prepared = self._prepare()
        else:
            kind = f"{type(self).__module__}.{type(self).__qualname__}"
            key = (kind, content, self.num_train, self.num_val, self.center, self.scale)
            self._prepared = prepared.shared(key, lambda: self._stored(key))

    def _stored(self, key: Hashable) -> Prepared:
        if not self.is_stored:
            return self._prepare()
        return store.stored(Path(data_path(), "prepared"), key, self._prepare)

    def _prepare(self) -> Prepared:
        arrays = dict(self._load())
        for name, given in arrays.items():
            self._check(name, given)
        empty = tuple(array[:0] for array in arrays["train"])
        order = self._order(arrays["train"])
        num_val = 0 if "val" in arrays else self.num_val
        train, val = divide(order, num_train=self.num_train, num_val=num_val, who=self.label)
        picks = {"train": train}
        if "val" not in arrays:
            picks["val"], arrays["val"] = val, arrays["train"]
        splits = {}
        for name in split.SPLITS:
            given = arrays.get(name, empty)
            chosen = picks.get(name)
            given = given if chosen is None else tuple(array[chosen] for array in given)
            pixels = self._pixels(given[0]) if name == "train" else None
            splits[name] = PreparedSplit(self._to_tensors(given), pixels)
        self._transform_({name: split.tensors[0] for name, split in splits.items()})
        return Prepared(splits)

    def _transform_(self, data: Mapping[str, Tensor]) -> None:
        """Change the data of all splits in place, after centring and scaling; here not at all.

        Shape:
            data: `(N, C, H, W)` float32 for each split.
        """

    def _pixels(self, images: NDArray[Any]) -> Pixels | None:
        """Return training images of bytes for jokers, which then read a quarter of the memory."""
        if images.dtype != np.uint8 or images.ndim != 4 or self.is_transformed:
            return None
        planes = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))
        return Pixels(images=planes, normalization=self.normalization)

    @property
    def is_transformed(self) -> bool:
        """Whether `_transform_` does anything."""
        return False

    def _to_tensors(self, arrays: Arrays) -> list[Tensor]:
        images, *labels = arrays
        if images.ndim == 4:
            images = images.transpose(0, 3, 1, 2)
        data = torch.empty(images.shape, dtype=torch.float32)
        np.copyto(data.numpy(), images, casting="unsafe")
        return [self.normalization.apply_(data), *(_label_tensor(array) for array in labels)]

    def _check(self, name: str, arrays: Arrays) -> None:
        if len({len(array) for array in arrays}) != 1:
            raise DataError(
                f"{self.label}: expected as many labels as images in {name!r}, got arrays of length"
                f" {[len(array) for array in arrays]}."
            )


def _label_tensor(array: NDArray[Any]) -> Tensor:
    kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
    return torch.from_numpy(np.array(array, dtype=kind))
