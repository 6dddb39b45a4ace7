"""IDX: the file format of MNIST and its relatives, plain or gzip-compressed."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from akid.errors import DataError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_DTYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path, *, num_dims: int | None = None) -> NDArray[np.generic]:
    """Read one IDX file.

    Args:
        path: The file; whether it is compressed is seen from its first bytes.
        num_dims: How many dimensions the array must have; None takes any.

    Returns:
        A read-only array in the machine's byte order, with the shape that the file states.

    Raises:
        DataError: If the file can't be read, is no IDX file, or is shorter or longer than it says.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        raise DataError(
            f"read_idx: {path}: expected an IDX file, which starts with two zero bytes and one of"
            f" {sorted(_DTYPES)}, got {list(content[:4])}. Remove it to have it fetched again."
        )
    rank = content[3]
    if num_dims is not None and rank != num_dims:
        raise DataError(f"read_idx: {path}: expected {num_dims} dimension(s), got {rank}.")
    header_bytes = 4 + 4 * rank
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header_bytes, 4))
    dtype = np.dtype(_DTYPES[content[2]])
    expected_bytes = header_bytes + math.prod(shape) * dtype.itemsize
    if len(content) != expected_bytes:
        raise DataError(
            f"read_idx: {path}: expected {expected_bytes} bytes for shape {shape}, got"
            f" {len(content)}. The file is damaged; remove it to have it fetched again."
        )
    array = np.frombuffer(content, dtype, offset=header_bytes).reshape(shape)
    array = array.astype(dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"read_idx: can't read {path}: {type(error).__name__}: {error}") from error
