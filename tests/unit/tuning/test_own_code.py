"""Which akid it is."""

import hashlib
import re

from akid.tuning import own_code, provenance


def test_each_run_says_which_akid_trained_it(tmp_path) -> None:
    """The same hash while no module changes."""
    tags = provenance.tags(tmp_path / "experiment.py")

    assert re.fullmatch("[0-9a-f]{12}", tags["akid.code"])
    assert own_code.fingerprint.__wrapped__() == tags["akid.code"]


def test_a_changed_line_changes_it(tmp_path, monkeypatch) -> None:
    """Names and contents count, other files do not."""
    package = tmp_path / "akid"
    package.mkdir()
    file = package / "__init__.py"
    file.touch()
    monkeypatch.setattr(own_code.akid, "__file__", str(file))
    fingerprint = own_code.fingerprint.__wrapped__

    empty = fingerprint()
    (package / "notes.txt").touch()
    assert fingerprint() == empty == hashlib.sha256(b"__init__.py\x1f\x1f").hexdigest()[:12]
    file.write_text("one = 1", encoding="utf-8")
    assert fingerprint() != empty
