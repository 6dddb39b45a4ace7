"""Lines of JSON that are there as a whole or not at all, in a file that one process has."""

import os
import resource
import signal
import time

import pytest

from akid.tuning.line_file import LineFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines.jsonl"


def test_lines_come_back(path) -> None:
    """By their place and one after the other; NaN too."""
    made, (first,) = LineFile.create(path, [{"a": 1}])
    second = made.append({"b": float("inf")})
    made.sync()

    assert made.read(second) == {"b": float("inf")}
    assert [line for _, line in made.lines()] == [{"a": 1}, {"b": float("inf")}]
    assert [span for span, _ in made.lines()] == [first, second]
    assert path.stat().st_mode & 0o077 == 0
    made.close()


def test_one_has_it_at_a_time(path) -> None:
    """Until it is closed."""
    made, _ = LineFile.create(path, [{"a": 1}])

    assert LineFile.open(path) is None
    made.close()
    opened = LineFile.open(path)
    assert opened is not None
    opened.delete()
    assert LineFile.open(path) is None


def test_half_a_line_is_left_out(path) -> None:
    """What is appended then is whole."""
    path.write_text('{"a": 1}\n{"b": ')

    opened = LineFile.open(path)
    opened.append({"c": 3})

    assert [line for _, line in opened.lines()] == [{"a": 1}, {"c": 3}]
    opened.close()


def test_a_damaged_line_is_told_apart(path) -> None:
    """The others are read."""
    path.write_text('{"a": 1}\n???\n[2]\n{"b": 2}\n')

    opened = LineFile.open(path)

    assert [line for _, line in opened.lines()] == [{"a": 1}, None, None, {"b": 2}]
    opened.close()


def test_a_full_disk_takes_a_line_or_nothing(path) -> None:
    """The file stays whole, and takes more once there is room."""
    made, _ = LineFile.create(path, [{"a": 1}])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
        with pytest.raises(OSError, match="too large"):
            made.append({"b": "x" * 100})
        assert path.read_text() == '{"a":1}\n'
        made.append({"c": 3})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert [line for _, line in made.lines()] == [{"a": 1}, {"c": 3}]
    made.close()


def test_a_file_that_is_being_made_is_left_alone(path) -> None:
    """One whose maker was killed is cleared away."""
    path.touch()

    assert LineFile.open(path) is None
    assert path.exists()
    os.utime(path, (0, time.time() - 100))
    assert LineFile.open(path) is None
    assert not path.exists()
