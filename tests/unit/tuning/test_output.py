"""What a trial prints goes to a file."""
# ruff: noqa: T201 (printing is the subject)

import sys
from contextlib import suppress

from akid.tuning import output


def test_both_streams_are_kept_in_order(tmp_path, capsys) -> None:
    """And nothing of it is seen elsewhere."""
    with output.kept_in(tmp_path / "new" / output.FILE_NAME):
        print("out")
        print("err", file=sys.stderr)
    print("after")

    assert (tmp_path / "new" / "output.log").read_text() == "out\nerr\n"
    assert capsys.readouterr() == ("after\n", "")


def test_silence_leaves_no_file(tmp_path) -> None:
    """The folder is made all the same."""
    with output.kept_in(tmp_path / "new" / output.FILE_NAME):
        pass

    assert list((tmp_path / "new").iterdir()) == []


def test_an_error_leaves_what_was_printed(tmp_path) -> None:
    """And the streams are back."""
    stream = sys.stdout
    with suppress(ZeroDivisionError), output.kept_in(tmp_path / output.FILE_NAME):
        print("out")
        print(1 / 0)

    assert (tmp_path / "output.log").read_text() == "out\n"
    assert sys.stdout is stream
