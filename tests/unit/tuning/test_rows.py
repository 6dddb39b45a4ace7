"""Rows that outlive their process."""

import resource
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import TakenOverError
from akid.tuning.rows import FILE_NAME, Left, News, RowFile

ROWS = [{"step": 1, "train_loss": 0.5}, {"step": 2, "val_loss": 0.25}]


def write(folder: Path, *, key: str = "abc", result: dict | None = None) -> RowFile:
    file = RowFile(folder, key)
    if file.go_on() is None:
        file.begin()
    for row in ROWS:
        file.add(row)
    if result is not None:
        file.end(result)
    file.close()
    return file


def test_rows_of_a_trial_that_broke_off_are_found_again(tmp_path: Path) -> None:
    """Each row is in the file as soon as it was added."""
    write(tmp_path)

    left = RowFile(tmp_path, "abc").left()

    assert left == Left(rows=ROWS, result=None)
    assert left.step == 2


def test_a_trial_that_ended_says_to_what(tmp_path: Path) -> None:
    """A sweep that died before it told of it trains nothing again."""
    write(tmp_path, result={"final": {"loss": 0.1}})

    assert RowFile(tmp_path, "abc").go_on() == Left(rows=ROWS, result={"final": {"loss": 0.1}})


def test_another_trial_or_an_empty_folder_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    """A key that differs is another trial."""
    assert RowFile(tmp_path, "abc").go_on() is None
    write(tmp_path)
    assert RowFile(tmp_path, "other").go_on() is None


@given(cut=st.integers(1, 60), tail=st.binary(max_size=8))
def test_whatever_a_crash_left_of_the_file_can_be_read(cut: int, tail: bytes) -> None:
    """Of a file that was cut off, or whose end is rubbish, the whole rows before it are left."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        file = Path(folder, FILE_NAME)
        file.write_bytes(file.read_bytes()[:-cut] + b"\x00" + tail)

        left = RowFile(Path(folder), "abc").left()

    assert left is None or left.rows == ROWS[: len(left.rows)]


def test_a_later_attempt_has_each_row_once(tmp_path: Path) -> None:
    """What it repeats after its checkpoint is in the file already."""
    write(tmp_path)
    write(tmp_path)

    assert RowFile(tmp_path, "abc").left() == Left(rows=ROWS, result=None)


def test_an_attempt_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    """It is told so, and what it wrote in between is not lost."""
    old, new = RowFile(tmp_path, "abc"), RowFile(tmp_path, "abc")
    old.begin()
    old.add(ROWS[0])
    new.go_on()

    with pytest.raises(TakenOverError, match="another process"):
        old.add(ROWS[1])
    with pytest.raises(TakenOverError):
        old.end({})
    new.add(ROWS[1])
    assert RowFile(tmp_path, "abc").left() == Left(rows=ROWS, result=None)
    for file in (old, new):
        file.close()


def test_an_attempt_whose_folder_was_set_aside_writes_nothing_more(tmp_path: Path) -> None:
    """The folder's name is that of another trial's by then."""
    old = RowFile(tmp_path / "trial", "abc")
    old.begin()
    (tmp_path / "trial").rename(tmp_path / "aside")

    with pytest.raises(TakenOverError):
        old.add(ROWS[0])
    write(tmp_path / "trial", key="other")
    with pytest.raises(TakenOverError):
        old.add(ROWS[0])
    old.close()


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 6))
def test_rows_that_are_repeated_after_a_break_are_heard_once(gaps: list[int], back: int) -> None:
    """Whatever an attempt repeats, each step is heard once and in order."""
    steps = [sum(gaps[: i + 1]) + i for i in range(len(gaps))]
    rows = [{"step": step, "loss": 1.0} for step in steps]
    news = News()

    heard = news.only_new(rows[:back]) + news.only_new(rows)

    assert [row["step"] for row in heard] == steps


def test_rows_that_a_full_disk_refuses_are_written_later(tmp_path: Path) -> None:
    """Nothing is raised, no half line is left, and the rows keep their order."""
    file = RowFile(tmp_path, "abc")
    file.begin()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30, limits[1]))
        file.add(ROWS[0])
        assert "too large" in file.fault
        assert RowFile(tmp_path, "abc").left() == Left(rows=[], result=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    file.add(ROWS[1])
    file.close()

    assert RowFile(tmp_path, "abc").left() == Left(rows=ROWS, result=None)
