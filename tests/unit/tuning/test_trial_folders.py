"""What an attempt finds in its folder."""

from pathlib import Path

import pytest

from akid.cluster.work_dir import WorkDir
from akid.testing.tracker_contract import make_trial
from akid.tuning.messages import Start
from akid.tuning.trial_folders import TrialFolders

TRIALS = [make_trial(0), make_trial(1)]


def fill(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text(text)


@pytest.mark.parametrize(("attempt", "resume"), [(1, False), (2, False)])
def test_what_is_not_gone_on_from_is_set_aside(tmp_path: Path, attempt: int, resume: bool) -> None:
    """Neither lost nor mixed up, also when there is something set aside already."""
    for text in ("first", "second"):
        fill(tmp_path / "0-trial", text)
        start = Start(index=0, attempt=attempt, resume=resume)
        assert not TrialFolders(WorkDir.of(tmp_path), TRIALS, {}).prepare(start)

    kept = {path.name: (path / "rows.jsonl").read_text() for path in tmp_path.iterdir()}
    assert kept == {"0-trial~1": "first", "0-trial~2": "second"}


def test_a_retry_goes_on_from_its_own_folder(tmp_path: Path) -> None:
    """Also when the trial had been left elsewhere: the first attempt has moved it."""
    fill(tmp_path / "0-trial", "mine")
    folders = TrialFolders(WorkDir.of(tmp_path), TRIALS, {0: str(tmp_path / "elsewhere")})

    assert folders.prepare(Start(index=0, attempt=2, resume=True))
    assert (tmp_path / "0-trial" / "rows.jsonl").read_text() == "mine"


def test_what_an_earlier_sweep_left_is_gone_on_from(tmp_path: Path) -> None:
    """Where it lies, or under the number that the trial had in a smaller grid."""
    fill(tmp_path / "0-trial", "stays")
    fill(tmp_path / "0-other", "moves")
    fill(tmp_path / "1-trial", "in the way")
    left_in = {0: str(tmp_path / "0-trial"), 1: str(tmp_path / "0-other")}
    folders = TrialFolders(WorkDir.of(tmp_path), TRIALS, left_in)

    assert all(folders.prepare(Start(index=index, attempt=1)) for index in (0, 1))
    kept = {path.name: (path / "rows.jsonl").read_text() for path in tmp_path.iterdir()}
    assert kept == {"0-trial": "stays", "1-trial": "moves", "1-trial~1": "in the way"}


def test_a_folder_that_has_gone_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    """The trial begins anew."""
    folders = TrialFolders(WorkDir.of(tmp_path), TRIALS, {0: str(tmp_path / "gone")})

    assert not folders.prepare(Start(index=0, attempt=1))


def test_what_a_first_attempt_did_not_get_the_next_one_does(tmp_path: Path, monkeypatch) -> None:
    """A folder of another trial's that lies there under this one's name is none to go on from."""
    fill(tmp_path / "0-trial", "in the way")
    fill(tmp_path / "0-other", "moves")
    folders = TrialFolders(WorkDir.of(tmp_path), TRIALS, {0: str(tmp_path / "0-other")})

    def refuse(_: Path, target: Path) -> None:
        raise PermissionError(target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        folders.prepare(Start(index=0, attempt=1))
    monkeypatch.undo()
    assert folders.prepare(Start(index=0, attempt=2, resume=True))

    kept = {path.name: (path / "rows.jsonl").read_text() for path in tmp_path.iterdir()}
    assert kept == {"0-trial": "moves", "0-trial~1": "in the way"}


def test_what_a_killed_process_began_to_write_is_deleted(tmp_path: Path) -> None:
    """Wherever the trial goes on; checkpoints that were written stay."""
    for name in ("0-trial", "0-other"):
        fill(tmp_path / name, "rows")
        (tmp_path / name / "model").mkdir()
        (tmp_path / name / "model" / ".checkpoint-5.pt.123").write_text("torn")
        (tmp_path / name / "model" / "checkpoint-5.pt").write_text("whole")
    folders = TrialFolders(WorkDir.of(tmp_path), TRIALS, {1: str(tmp_path / "0-other")})

    folders.prepare(Start(index=0, attempt=2, resume=True))
    folders.prepare(Start(index=1, attempt=1, resume=False))

    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pt*")}
    assert left == {"0-trial/model/checkpoint-5.pt", "1-trial/model/checkpoint-5.pt"}


@pytest.mark.parametrize(
    ("start", "sources"),
    [
        (Start(index=0, attempt=1), ()),
        (Start(index=0, attempt=2, resume=True), ("s3://b/runs/0-trial",)),
        (Start(index=0, attempt=2, resume=False), ()),
        (Start(index=1, attempt=1), ("s3://b/runs/0-other",)),
        (Start(index=1, attempt=2, resume=True), ("s3://b/runs/0-other", "s3://b/runs/1-trial")),
    ],
)
def test_an_attempt_is_told_where_to_look_in_an_object_store(start, sources) -> None:
    """Without asking the store: the attempt does that, and waits for it if it has to."""
    folders = TrialFolders(WorkDir.of("s3://b/runs"), TRIALS, {1: "s3://b/runs/0-other"})

    assert folders.prepare(start) == sources
