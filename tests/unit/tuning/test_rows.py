"""Rows that outlive their process."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.rows import FILE_NAME, News, RowFile

ROWS = [{"step": 1, "train_loss": 0.5}, {"step": 2, "val_loss": 0.25}]


def write(folder: Path, *, key: str = "abc", ends: bool = False) -> None:
    with RowFile(folder, key) as file:
        for row in ROWS:
            file.add(row)
        if ends:
            file.end()


def test_rows_of_a_trial_that_broke_off_are_found_again(tmp_path: Path) -> None:
    """Each row is in the file as soon as it was added."""
    write(tmp_path)

    assert RowFile(tmp_path, "abc").unfinished() == ROWS


def test_a_trial_that_ended_or_another_trial_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    """Neither a file with an end nor one of another key is resumed, nor an empty folder."""
    assert RowFile(tmp_path, "abc").unfinished() is None
    write(tmp_path)
    assert RowFile(tmp_path, "other").unfinished() is None
    write(tmp_path, ends=True)
    assert RowFile(tmp_path, "abc").unfinished() is None


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """A process that died while it wrote leaves the rows before."""
    write(tmp_path)
    file = tmp_path / FILE_NAME
    file.write_text(file.read_text()[:-5])

    assert RowFile(tmp_path, "abc").unfinished() == ROWS[:1]


def test_a_later_attempt_adds_to_the_file(tmp_path: Path) -> None:
    """The rows of all attempts stand in one file until the trial ends."""
    write(tmp_path)
    write(tmp_path)

    assert RowFile(tmp_path, "abc").unfinished() == ROWS + ROWS


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 6))
def test_rows_that_are_repeated_after_a_break_are_heard_once(gaps: list[int], back: int) -> None:
    """Whatever an attempt repeats, each step is heard once and in order."""
    steps = [sum(gaps[: i + 1]) + i for i in range(len(gaps))]
    rows = [{"step": step, "loss": 1.0} for step in steps]
    news = News()

    heard = news.only_new(rows[:back]) + news.only_new(rows)

    assert [row["step"] for row in heard] == steps
