"""Fixtures of the sensing room's tests."""

import struct
from pathlib import Path

import numpy as np
import pytest

from akid.sensing import prepared


@pytest.fixture(autouse=True)
def _empty_shelf():
    prepared.forget()
    yield
    prepared.forget()


def idx_bytes(array: np.ndarray) -> bytes:
    """Return an array of bytes in IDX format."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def tiny_mnist(tmp_path: Path) -> Path:
    """Return a folder with MNIST-like files: 60 training and 20 test images."""
    random = np.random.default_rng(0)
    for prefix, num in (("train", 60), ("t10k", 20)):
        images, labels = random.integers(0, 256, (num, 28, 28)), np.arange(num) % 10
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path
