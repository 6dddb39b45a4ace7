"""Where a sweep keeps its trials, and the folders in which machines work in the meantime."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from akid.cluster.work_dir import SCRATCH, ScratchFolder, WorkDir, scratch
from akid.errors import StorageError


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch"))


def test_a_path_is_its_own_place(tmp_path, monkeypatch) -> None:
    """Trials are told it for any working folder."""
    monkeypatch.chdir(tmp_path)
    work_dir = WorkDir.of("runs").below("mnist")

    assert work_dir == WorkDir(local=Path("runs/mnist"))
    assert work_dir.of_trial("0-trial") == str(tmp_path / "runs" / "mnist" / "0-trial")


def test_a_uri_has_a_folder_of_this_machine_beside_it(tmp_path) -> None:
    """The same each time, and another for another URI."""
    work_dir = WorkDir.of("s3://bucket/runs?region=x").below("mnist")

    assert work_dir == WorkDir.of("s3://bucket/runs?region=x").below("mnist")
    assert work_dir.of_trial("0-trial") == "s3://bucket/runs/mnist/0-trial?region=x"
    assert work_dir.local.is_relative_to(tmp_path / "scratch")
    assert work_dir.local != WorkDir.of("s3://bucket/other").below("mnist").local


def test_a_uri_with_a_password_is_refused() -> None:
    """The message does not repeat it."""
    with pytest.raises(StorageError, match="without a user and a password") as told:
        WorkDir.of("s3://someone:hunter2@bucket/runs")

    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("where", ["s3:/bucket/runs", Path("s3://bucket/runs")])
def test_a_uri_that_has_lost_a_slash_is_refused(where) -> None:
    """It would make a folder `s3:` here; a `Path` takes the slash away."""
    with pytest.raises(StorageError, match=re.escape("Did you mean s3://bucket/runs, as text?")):
        WorkDir.of(where)


def test_scratch_lies_in_the_cache_unless_it_is_named(monkeypatch) -> None:
    """As XDG has it."""
    monkeypatch.delenv(SCRATCH)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert scratch() == Path("/cache/akid")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert scratch() == Path.home() / ".cache" / "akid"


def test_what_killed_processes_left_is_deleted(tmp_path) -> None:
    """What a living one works in is left alone."""
    code = (
        "import os, sys\n"
        "from akid.cluster.work_dir import ScratchFolder\n"
        "(ScratchFolder('dead').path / 'checkpoint').touch()\n"
        "os._exit(9)"
    )
    living = ScratchFolder("living")
    subprocess.run([sys.executable, "-c", code], check=False)
    names = [path.name.partition("-")[0] for path in living.path.parent.iterdir()]
    assert sorted(names) == ["dead", "living"]

    fresh = ScratchFolder("fresh")

    assert sorted(living.path.parent.iterdir()) == sorted([living.path, fresh.path])
    living.delete()
    fresh.delete()
    assert list((tmp_path / "scratch" / "trials").iterdir()) == []


def test_a_folder_is_made_where_this_user_can_write(tmp_path: Path) -> None:
    """With those above it; again changes nothing."""
    work_dir = WorkDir(local=tmp_path / "runs").below("digits")

    work_dir.make()
    work_dir.make()

    assert list((tmp_path / "runs" / "digits").iterdir()) == []


@pytest.mark.parametrize("where", ["file", "file/below", "nul\0"])
def test_what_can_be_no_folder_is_refused(tmp_path: Path, where: str) -> None:
    """With the reason, and what to do."""
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(StorageError, match=r"can be written, got .*\. Name another one: --work-"):
        WorkDir(local=tmp_path / where).make()
