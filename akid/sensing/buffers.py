"""Buffers: memory that batches use one after another."""

import math
import weakref
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ALIGNMENT_BYTES: Final = 64
_KEEP: Final = 4


@final
class Buffers:
    """Gives memory for batches on the CPU, and takes it back when nobody holds the batch.

    Memory of this size that is freed goes back to the system, and when it is asked for again the
    processor clears every page of it, which costs more than to make a batch. A buffer is used again
    only when the tensor that it was given out as, all views of it and all arrays and graphs that
    share its memory are gone: a batch that is kept never changes.

    >>> buffers = Buffers()
    >>> batch = buffers.empty((2, 3), torch.float32)
    >>> address, part = batch.data_ptr(), batch[1]
    >>> del batch
    >>> buffers.empty((2, 3), torch.float32).data_ptr() == address
    False
    >>> del part
    >>> buffers.empty((2, 3), torch.float32).data_ptr() == address
    True
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a tensor of that shape whose values may be anything."""
        num_bytes = math.prod(shape) * dtype.itemsize
        memory = self._take(num_bytes)
        # A view of its own for each tensor: torch holds it for as long as it uses the memory.
        lent = memory[:num_bytes]
        weakref.finalize(lent, self._give_back, memory).atexit = False
        return torch.from_numpy(lent).view(dtype).view(*shape)

    def _take(self, num_bytes: int) -> NDArray[np.uint8]:
        while self._free:
            memory = self._free.pop()
            if len(memory) >= num_bytes:
                return memory
        return _aligned(num_bytes)

    def _give_back(self, memory: NDArray[np.uint8]) -> None:
        if len(self._free) < _KEEP:
            self._free.append(memory)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the memory out: a copy has its own."""
        return type(self), ()


def _aligned(num_bytes: int) -> NDArray[np.uint8]:
    """Return memory that begins where a processor's wide registers like it to."""
    memory = np.empty(num_bytes + _ALIGNMENT_BYTES, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[start : start + num_bytes]
