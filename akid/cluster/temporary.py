"""Temporary: folders for temporary files that go with their process, also when that is killed.

A folder is locked for as long as its process lives; whoever comes later deletes those that nobody
has locked.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from akid.cluster import environment

_PREFIX: Final = "akid-own-"
_UNLOCKED: Final = "akid-new-"
_LOCKED_WITHIN_S: Final = 60.0
_LONGEST: Final = 70  # of what a socket's path may have, with room for what is made below


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """Make a folder below the one for temporary files, and delete it after the `with` block.

    Args:
        purpose: A word of its name.

    Yields:
        The folder.
    """
    made = Path(tempfile.mkdtemp(prefix=_UNLOCKED))
    handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # where nothing can be locked, nobody deletes it, either
            fcntl.flock(handle, fcntl.LOCK_EX)
        name = made.name.removeprefix(_UNLOCKED)
        made = made.rename(made.with_name(f"{_PREFIX}{purpose}-{name}"))
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def used_by_children(folder: Path) -> AbstractContextManager[None]:
    """Let processes that are started inside of the `with` block put temporary files in a folder.

    Ray's own folder stays where it is: it holds logs, and sockets whose paths have to be short.
    What torch compiled stays for the next process.
    """
    places = {
        "RAY_TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 (as Ray has it)
        "TORCHINDUCTOR_CACHE_DIR": str(folder.with_name(f"torchinductor_{os.getuid()}")),
    }
    places = {name: place for name, place in places.items() if name not in os.environ}
    if len(str(folder)) <= _LONGEST:
        places["TMPDIR"] = str(folder)
    return environment.inherited(places)


def delete_left() -> None:
    """Delete the folders of processes that were killed."""
    for found in Path(tempfile.gettempdir()).glob("akid-*"):
        if found.name.startswith((_PREFIX, _UNLOCKED)):
            _delete_if_left(found)


def _delete_if_left(found: Path) -> None:
    try:
        handle = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it is gone, or none of ours
        return
    try:
        if _is_left(found, os.fstat(handle)):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(found, ignore_errors=True)
    except OSError:
        pass  # its process lives, or one can't know
    finally:
        os.close(handle)


def _is_left(found: Path, state: os.stat_result) -> bool:
    """Whether a folder is this user's, and not one that is about to be locked."""
    is_fresh = time.time() - state.st_mtime < _LOCKED_WITHIN_S
    return state.st_uid == os.getuid() and not (found.name.startswith(_UNLOCKED) and is_fresh)
