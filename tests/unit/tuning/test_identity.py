"""Identity: marks and hashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.identity import counted, digest, mark, shown

SOURCE = '''# top
def setup():
    """Text

    # not a comment
    """
    a = [1,  # one

         2]
    return "a\\
    # b"  \t

'''


def test_marks_can_be_taken_off() -> None:
    """What is shown is the source itself."""
    assert shown(mark(SOURCE)[0]) == SOURCE


def test_what_counts_is_the_program() -> None:
    """Comments and blanks go; strings stay as they are."""
    assert counted(mark(SOURCE)[0]) == (
        'def setup():\n    """Text\n\n    # not a comment\n    """\n'
        '    a = [1,\n         2]\n    return "a\\\n    # b"\n'
    )


def test_statements_stay() -> None:
    """A line that starts with `#%` is no comment."""
    source = "def setup():\n    #% if x\n    return 1\n    #% endif\n"

    assert counted(mark(source)[0]) == source


@pytest.mark.parametrize(
    "between", ["\n", "    \n", "    # why\n", "\n    # why\n    \n\n", " \r\n"]
)
def test_lines_that_do_not_count_may_stand_before_a_statement(between: str) -> None:
    """The statement still begins a line, and what is shown and what counts stay as they are."""
    plain = "def setup():\n    a = 1\n    #% if x\n    a = 2\n    #% endif\n    return a\n"
    source = plain.replace("    #%", f"{between}    #%")

    marked = mark(source)[0]

    assert shown(marked) == source
    assert counted(marked) == plain
    assert [line.startswith("    #%") for line in marked.split("\n")].count(True) == 2


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_digest_stands_for_its_parts(first: list[str], second: list[str]) -> None:
    """Where one part ends and the next begins makes a difference."""
    assert (digest(*first) == digest(*second)) == (first == second)
