"""Feeds: how a sensor reads the batches of one split."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from akid.errors import ShapeError
from akid.sensing.cores import few_cores
from akid.sensing.indexed_source import IndexedFeedSource
from akid.sensing.prepared import Pixels, PreparedSplit
from akid.sensing.source import FeedSource


class Feed(ABC):
    """Gives the examples of a split by their indices, as `[data, *labels]`."""

    @abstractmethod
    def pick(self, indices: Tensor) -> list[Tensor]:
        """Return the examples at these places."""

    @abstractmethod
    def cut(self, start: int, stop: int) -> list[Tensor]:
        """Return the examples from `start` up to `stop`."""

    @property
    def labels(self) -> Tensor | None:
        """The first label of each example, where they are known beforehand."""
        return None

    @abstractmethod
    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Give tensors on that device from now on, their floats of that dtype."""


@final
class TensorFeed(Feed):
    """Reads from tensors that lie on the device: a copy for picked examples, a view for a piece."""

    def __init__(self, split: PreparedSplit) -> None:
        self._split = split
        self._here = split

    @property
    def tensors(self) -> list[Tensor]:
        """All examples of the split; never to be written to."""
        return self._here.tensors

    @property
    def pixels(self) -> Pixels:
        """The data: as bytes, if they are kept and the device is the one that gains by them."""
        return self._here.pixels or Pixels(images=self.tensors[0])

    @property
    def labels(self) -> Tensor | None:
        return next(iter(self.tensors[1:]), None)

    def pick(self, indices: Tensor) -> list[Tensor]:
        tensors = self._here.tensors
        with few_cores(len(indices) * max(tensor[:1].numel() for tensor in tensors)):
            return [tensor.index_select(0, indices) for tensor in tensors]

    def cut(self, start: int, stop: int) -> list[Tensor]:
        return [tensor[start:stop] for tensor in self._here.tensors]

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self._here = self._split.on(device, dtype)


@final
class ReadFeed(Feed):
    """Has the source read each batch by the places of its examples."""

    def __init__(self, source: IndexedFeedSource, split: str) -> None:
        self._source = source
        self._split = split
        self._device, self._dtype = torch.device("cpu"), torch.float32

    @property
    def labels(self) -> Tensor | None:
        labels = self._source.all_labels(self._split)
        return None if labels is None else torch.from_numpy(labels)

    def pick(self, indices: Tensor) -> list[Tensor]:
        arrays = self._source.read(self._split, indices.cpu().numpy())
        return _to_tensors(arrays, self._device, self._dtype)

    def cut(self, start: int, stop: int) -> list[Tensor]:
        return self.pick(torch.arange(start, stop))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype


@final
class CallFeed(Feed):
    """Asks the source for each batch; which examples it gives is the source's affair."""

    def __init__(self, source: FeedSource, *, get_val: bool) -> None:
        self._source = source
        self._get_val = get_val
        self._device, self._dtype = torch.device("cpu"), torch.float32

    def pick(self, indices: Tensor) -> list[Tensor]:
        return self._read(len(indices))

    def cut(self, start: int, stop: int) -> list[Tensor]:
        return self._read(stop - start)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype

    def _read(self, num: int) -> list[Tensor]:
        arrays = [np.asarray(array) for array in self._source.get_batch(num, get_val=self._get_val)]
        if any(len(array) != num for array in arrays):
            raise ShapeError(
                f"{self._source.label}: expected get_batch({num}) to return {num} examples, got"
                f" arrays of shape {[array.shape for array in arrays]}."
            )
        return _to_tensors(arrays, self._device, self._dtype)


def _to_tensors(arrays: Sequence[Any], device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return data as NCHW of that dtype; labels likewise, or as int64 if they are integers."""
    data, *labels = arrays
    if data.ndim == 4:
        data = data.transpose(0, 3, 1, 2)
    tensors = [torch.from_numpy(np.array(data, order="C")).to(device, dtype)]
    for array in labels:
        label = torch.from_numpy(np.array(array, order="C"))
        tensors.append(label.to(device, dtype if label.is_floating_point() else torch.int64))
    return tensors
