"""The page of features names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(?:(\w+)::)?(test_\w+)`")
FEATURE = re.compile(r"^\| (\d+) \|.*\| (done|partly|planned) \|(.*)\|$", re.MULTILINE)
DEFECT = re.compile(r"^\| D(\d+) \|", re.MULTILINE)


def is_there(file: str, holder: str | None, name: str) -> bool:
    """Whether the test is in that file or, for one of a class, in a contract that it inherits."""
    path = ROOT / file
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    if holder is not None and f"class {holder}(" not in text:
        return False
    inherited = (ROOT / "akid" / "testing").glob("*.py") if holder is not None else ()
    texts = [text, *(contract.read_text(encoding="utf-8") for contract in inherited)]
    return any(f"def {name}(" in text for text in texts)


def test_every_named_test_exists() -> None:
    """A test that was renamed or removed is corrected in the page, too."""
    named = NAMED.findall(PAGE)
    missing = [f"{f}::{name}" for f, holder, name in named if not is_there(f, holder or None, name)]

    assert len(named) > 100
    assert missing == []


def test_every_feature_has_a_row_and_what_is_there_a_test() -> None:
    """Rows are numbered without gaps; a planned feature names no test, every other one does."""
    rows = FEATURE.findall(PAGE)

    assert [int(number) for number, _, _ in rows] == list(range(1, 74))
    wrong = [n for n, status, tests in rows if bool(NAMED.search(tests)) == (status == "planned")]
    assert wrong == []


def test_every_defect_has_a_row() -> None:
    """All that was found wrong in the first akid is listed."""
    assert [int(number) for number in DEFECT.findall(PAGE)] == list(range(1, 48))
