"""Logs on a full disk; the writes are refused by the operating system itself."""

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from akid.training.patient_file import open_log


@contextmanager
def full_disk(after_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_a_full_disk_refuses_is_lost_and_counted(tmp_path: Path) -> None:
    """Nothing is raised; lines that come when there is room again stand behind the gap."""
    path = tmp_path / "new" / "log"
    with open_log(path) as log:
        log.write("before\n")
        with full_disk(after_bytes=10):
            log.write("during the first\n")
            log.write("and the second\n")
        log.write("after\n")

    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-2].endswith("[29 bytes are missing here: the disk was full]")
    assert lines[-1] == "after"


def test_it_can_be_closed_while_the_disk_is_full(tmp_path: Path) -> None:
    """No buffer holds what was refused."""
    with full_disk(after_bytes=0):
        log = open_log(tmp_path / "log")
        log.write("half a line")
        log.close()

    assert (tmp_path / "log").read_text() == ""


def test_a_disk_without_room_for_a_file_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written goes nowhere."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with open_log(tmp_path / "new" / "log") as log:
        log.write("line\n")

    assert not list(tmp_path.iterdir())


def test_other_refusals_stay_errors(tmp_path: Path) -> None:
    """A path that is no folder has to be mended by its owner."""
    (tmp_path / "file").touch()

    with pytest.raises(FileExistsError):
        open_log(tmp_path / "file" / "log")
