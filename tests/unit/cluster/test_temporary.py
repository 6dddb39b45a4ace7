"""Folders for temporary files that go with their process."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from akid.cluster import temporary

HOLD = """
import sys, time
from akid.cluster import temporary
with temporary.folder("test") as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files lie in a folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_goes_with_the_block(place: Path) -> None:
    """Whatever lies in it."""
    with temporary.folder("test") as folder:
        (folder / "file").touch()
        assert folder.parent == place
        assert "test" in folder.name

    assert not list(place.iterdir())


def test_what_a_killed_process_left_is_deleted_by_the_next(place: Path) -> None:
    """Not before it is dead."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True
    ) as holder:
        left = Path(holder.stdout.readline().strip())
        temporary.delete_left()
        assert (left / "deep" / "file").exists()
        os.kill(holder.pid, signal.SIGKILL)
    assert left.exists()

    temporary.delete_left()

    assert not list(place.iterdir())


def test_nothing_else_is_deleted(place: Path) -> None:
    """Neither what only has a like name, nor a folder that is about to be locked."""
    (place / "akid-own-file").touch()
    (place / "akid-mine").mkdir()
    (place / "elsewhere").mkdir()
    (place / "akid-own-link").symlink_to(place / "elsewhere")
    (place / "akid-new-abc").mkdir()
    (old := place / "akid-new-old").mkdir()
    os.utime(old, (0, time.time() - 100))

    temporary.delete_left()

    left = {path.name for path in place.iterdir()}
    assert left == {"akid-own-file", "akid-mine", "elsewhere", "akid-own-link", "akid-new-abc"}


def test_children_use_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to outlive it stays outside; the program's own variables are as they were."""
    monkeypatch.setattr(temporary, "_LONGEST", 1000)
    code = "import os, tempfile; print(tempfile.gettempdir(), os.environ['RAY_TMPDIR'])"
    before = dict(os.environ)
    with temporary.folder("test") as folder:
        with temporary.used_by_children(folder):
            told = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            compiled = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert told.stdout.split() == [str(folder), str(place)]
        assert folder not in compiled.parents

    assert dict(os.environ) == before


def test_a_long_path_is_not_handed_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets lie in it, whose paths the system bounds."""
    monkeypatch.setattr(temporary, "_LONGEST", 5)
    with temporary.folder("test") as folder, temporary.used_by_children(folder):
        assert os.environ["TMPDIR"] == str(place)
