"""Ray bytes: anything that a worker says, as bytes that a process without GPUs reads.

Ray pickles a tensor with the device where it lies, and a process that lacks it can't read it. Here
all tensors come out on the CPU, whatever object holds them and however deep (PyTorch documentation,
"torch.load", `map_location`).
"""

import io
from typing import Any

import torch
from ray import cloudpickle


def to_bytes(value: object) -> bytes:
    """Return what `from_bytes` takes; memory that tensors share is in it once.

    Raises:
        Exception: If it can't be pickled, what it or pickle raises.

    >>> from_bytes(to_bytes({"weights": (torch.ones(2),)}))
    {'weights': (tensor([1., 1.]),)}
    """
    buffer = io.BytesIO()
    torch.save(
        value, buffer, pickle_module=cloudpickle, pickle_protocol=cloudpickle.DEFAULT_PROTOCOL
    )
    return buffer.getvalue()


def from_bytes(data: bytes) -> Any:
    """Return a copy of what `to_bytes` was given, with all its tensors on the CPU.

    Only for what processes of one's own have said: it executes code that is in it.

    Raises:
        Exception: If its classes are not known here, what they or pickle raise.
    """
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
