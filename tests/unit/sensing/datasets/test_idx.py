import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from akid.errors import DataError
from akid.sensing.datasets.idx import read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encode(array: np.ndarray, code: int) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@given(st.data(), st.sampled_from(sorted(CODES)), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_array_is_read_as_it_was_written(
    tmp_path: Path, data: st.DataObject, kind: str, zipped: bool
) -> None:
    """Any type, any shape, plain or compressed: the same numbers in the machine's byte order."""
    array = data.draw(npst.arrays(kind, npst.array_shapes(min_dims=1, max_dims=3, min_side=0)))
    content = encode(array, CODES[kind])
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if zipped else content)

    result = read_idx(path, num_dims=array.ndim)

    assert result.dtype == np.dtype(kind)
    assert not result.flags.writeable
    np.testing.assert_array_equal(result, array)


GOOD = encode(np.zeros((3, 2), np.uint8), 8)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "starts with two zero bytes"),
        (b"<html>not found</html>", "starts with two zero bytes"),
        (b"\0\0\x07\x01" + b"\0\0\0\0", "starts with two zero bytes"),
        (GOOD[:-1], "expected 18 bytes for shape (3, 2), got 17"),
        (GOOD + b"x", "expected 18 bytes for shape (3, 2), got 19"),
        (GOOD[:7], "got 7. The file is damaged"),
        (gzip.compress(GOOD, mtime=0)[:-3], "EOFError"),
        (gzip.compress(GOOD, mtime=0)[:5] + b"\xff" * 30, "can't read"),
    ],
)
def test_damage_is_a_data_error_that_names_the_file(
    tmp_path: Path, content: bytes, fact: str
) -> None:
    """Whatever is wrong with the file, the error says where it lies and what was expected."""
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(DataError) as error:
        read_idx(path)

    assert str(path) in str(error.value)
    assert fact in str(error.value)


def test_another_number_of_dimensions_is_refused(tmp_path: Path) -> None:
    """Labels given for images are found at once."""
    path = tmp_path / "file"
    path.write_bytes(GOOD)

    with pytest.raises(DataError, match=r"expected 3 dimension\(s\), got 2"):
        read_idx(path, num_dims=3)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    """No foreign exception comes out."""
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_idx(tmp_path / "none")
