"""The answer of a machine that is asked whether it sees the place for logs and checkpoints."""

import pytest

from akid.cluster import storage
from akid.cluster.object_folder import ObjectFolder


@pytest.fixture(params=["path", "uri"])
def place(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "path" else f"file://{tmp_path}"


def test_a_machine_that_sees_the_question_answers_beside_it(place, tmp_path) -> None:
    """It says nothing else."""
    (tmp_path / ".akid-1").write_text("token")

    assert storage.answer(place, ".akid-1", "token", "host") == ""
    assert (tmp_path / ".akid-1-host").read_text() == "token"
    assert ObjectFolder(f"file://{tmp_path}").read_text(".akid-1-host") == "token"


@pytest.mark.parametrize(("text", "fault"), [(None, "No such file|not exist"), ("x", "another")])
def test_a_machine_that_does_not_see_it_says_why(place, tmp_path, text, fault, monkeypatch) -> None:
    """Whether there is nothing, or something else."""
    monkeypatch.setattr(storage, "_SEEN_WITHIN_S", 0.0)
    if text is not None:
        (tmp_path / ".akid-1").write_text(text)

    said = storage.answer(place, ".akid-1", "token", "host")

    assert any(part in said for part in fault.split("|"))
    assert not (tmp_path / ".akid-1-host").exists()
