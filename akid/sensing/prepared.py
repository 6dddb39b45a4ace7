"""Prepared data: a source's splits as tensors, made once and shared by all who read the same."""
# Shape legend: N = examples, C = channels, H = height, W = width.

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from akid.sensing.window import Normalization

_SHELF_SIZE: Final = 2


@final
@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Images, and what makes the data of them.

    Shape:
        images: `(N, C, H, W)`: bytes, contiguous, or the data themselves.
    """

    images: Tensor
    normalization: Normalization | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The type of the data."""
        return self.images.dtype if self.normalization is None else self.normalization.dtype


@final
class PreparedSplit:
    """The examples of a split: one tensor of data and one for each kind of label; never written to.

    Args:
        tensors: The data, then the labels.
        pixels: The data once more as the bytes that they were, where reading fewer bytes pays.

    Shape:
        tensors: data `(N, C, H, W)` or `(N, ...)`, float; labels `(N, ...)`, int64 or float.
    """

    def __init__(self, tensors: list[Tensor], pixels: "Pixels | None" = None) -> None:
        self.tensors = tensors
        self.pixels = pixels
        self._copies: weakref.WeakValueDictionary[tuple[torch.device, torch.dtype], PreparedSplit]
        self._copies = weakref.WeakValueDictionary()

    def __len__(self) -> int:
        return len(self.tensors[0])

    def on(self, device: torch.device, dtype: torch.dtype) -> "PreparedSplit":
        """Return the split on a device, its floats of that dtype; all who ask get the same copy.

        A copy lives as long as somebody holds it, so that a device's memory is free after use.
        """
        data = self.tensors[0]
        if (data.device, data.dtype) == (device, dtype):
            return self
        with _lock:
            copy = self._copies.get((device, dtype))
            if copy is None:
                copy = PreparedSplit(
                    [t.to(device, dtype if t.is_floating_point() else None) for t in self.tensors]
                )
                self._copies[device, dtype] = copy
        return copy


@final
class Prepared:
    """All splits of a source.

    Args:
        splits: The splits by their names.
        fingerprint: What `fingerprint` returns, if it is known already.
    """

    def __init__(
        self, splits: Mapping[str, PreparedSplit], *, fingerprint: str | None = None
    ) -> None:
        self.splits = dict(splits)
        self._fingerprint = fingerprint

    def fingerprint(self) -> str:
        """Return the SHA-256 of the names, shapes, types and bytes of all splits."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for name, split in sorted(self.splits.items()):
                for tensor in split.tensors:
                    digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
                    digest.update(tensor.numpy().data if tensor.numel() else b"")
            self._fingerprint = digest.hexdigest()
        return self._fingerprint


_lock: Final = threading.RLock()
_shelf: Final[OrderedDict[Hashable, Prepared]] = OrderedDict()


def shared(key: Hashable, make: Callable[[], Prepared]) -> Prepared:
    """Return what was prepared under `key` in this process, or make it.

    The last few are kept, so that the next trial of a sweep finds its data; who holds one of them
    keeps it whatever comes after.

    Args:
        key: Says everything that the data depend on.
        make: Called, by one thread at a time, if the data are not there.
    """
    with _lock:
        if key not in _shelf:
            _shelf[key] = make()
            while len(_shelf) > _SHELF_SIZE:
                _shelf.popitem(last=False)
        _shelf.move_to_end(key)
        return _shelf[key]


def forget() -> None:
    """Empty the shelf: give back the memory of data that nobody holds."""
    with _lock:
        _shelf.clear()
