import logging
from pathlib import Path

import pytest

from akid.training.journal import Journal


def test_two_journals_do_not_write_into_each_others_files(tmp_path: Path) -> None:
    """Each file has the messages of its kid alone."""
    first, second = Journal("Neo"), Journal("Trinity")
    with first.writing_to(tmp_path / "a" / "log"), second.writing_to(tmp_path / "b" / "log"):
        first.info("one")
        second.info("two")

    assert (tmp_path / "a" / "log").read_text().endswith("Neo: one\n")
    assert "Neo" not in (tmp_path / "b" / "log").read_text()


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    """A run that goes on keeps the log of its first part."""
    journal = Journal("Neo")
    for message in ("one", "two"):
        with journal.writing_to(tmp_path / "log"):
            journal.info(message)

    assert [line[-3:] for line in (tmp_path / "log").read_text().splitlines()] == ["one", "two"]


def test_percent_signs_are_no_formats(tmp_path: Path) -> None:
    """A message is written as it is."""
    journal = Journal("Neo")
    with journal.writing_to(tmp_path / "log"):
        journal.info("50 %d")

    assert "50 %d" in (tmp_path / "log").read_text()


def test_without_a_file_records_go_to_logging_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A warning is a warning there."""
    journal = Journal("Neo")
    with journal.writing_to(None):
        journal.warning("careful")

    assert [(r.levelno, r.message) for r in caplog.records] == [(logging.WARNING, "Neo: careful")]


def test_the_file_is_closed_after_an_error(tmp_path: Path) -> None:
    """Nothing is written any more, and no handler is left open."""
    journal = Journal("Neo")
    with pytest.raises(ZeroDivisionError), journal.writing_to(tmp_path / "log"):
        raise ZeroDivisionError
    journal.info("afterwards")

    assert (tmp_path / "log").read_text() == ""
