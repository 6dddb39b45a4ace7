"""Work dir: where a sweep keeps its trials, and where machines work in the meantime.

Mostly it is a folder that all machines see, and each works there. Where it is in an object store
(`s3://...`), trials work in scratch folders, each on its own machine, and what the driver alone
needs lies in a folder of this machine's.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, final

from akid.cluster import object_folder
from akid.errors import StorageError

_HALF_A_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(.*)")

SCRATCH: Final = "AKID_SCRATCH"
"""The environment variable that names a machine's folder for what goes to an object store."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class WorkDir:
    """Where a sweep keeps its trials.

    Attributes:
        local: A folder of this machine, for what only the driver reads; the trials lie there, too,
            where `uri` is empty, and all machines see it then.
        uri: The place in an object store where the trials lie.

    >>> WorkDir.of("s3://bucket/runs").of_trial("0-trial")
    's3://bucket/runs/0-trial'
    """

    local: Path
    uri: str = ""

    @classmethod
    def of(cls, where: str | Path) -> Self:
        """Return the work dir that a path or a URI names.

        Raises:
            StorageError: If a URI has a password in it, which would stand in logs and tags, or has
                lost a slash, as in a `Path`.
        """
        text = str(where)
        if not object_folder.is_uri(text):
            if found := _HALF_A_URI.fullmatch(text):
                raise StorageError(
                    f"work dir: expected a folder or a URI such as s3://BUCKET/PATH, got {text!r}."
                    f" Did you mean {found[1]}://{found[2]}, as text?"
                )
            return cls(local=Path(where))
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise StorageError(
                "work dir: expected a URI without a user and a password, which would stand in logs"
                " and in the tracking store, got one with them. Give them to each machine, as"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or by its role."
            )
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(local=scratch() / "sweeps" / name, uri=text)

    def below(self, name: str) -> Self:
        """Return the work dir of one experiment below this one."""
        uri = object_folder.joined(self.uri, name) if self.uri else ""
        return type(self)(local=self.local / name, uri=uri)

    def make(self) -> None:
        """Make the folder of this machine, and see that this user can write there.

        Raises:
            StorageError: If it can't be made, or nothing can be written there.
        """
        try:
            self.local.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.local).close()
        except (OSError, ValueError) as error:  # ValueError: a null byte
            raise StorageError(
                f"work dir: expected a folder that can be written, got {str(self.local)!r}:"
                f" {error}. Name another one: --work-dir."
            ) from error

    def of_trial(self, slug: str) -> str:
        """Return where a trial's files lie, for any working folder."""
        if self.uri:
            return object_folder.joined(self.uri, slug)
        return str((self.local / slug).resolve())


def scratch() -> Path:
    """Return this machine's folder for what goes to an object store."""
    named = os.environ.get(SCRATCH)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(cache, "akid")


@final
class ScratchFolder:
    """A folder of this machine for one attempt at a trial.

    It is locked as long as this process lives; those of processes that were killed are deleted when
    the next one is made.

    Args:
        name: How its name begins.
    """

    def __init__(self, name: str) -> None:
        parent = scratch() / "trials"
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(parent):
            _drop_dead(parent)
            self.path: Final = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
            self._lock = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def delete(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)  # threads of the trial may still write
        os.close(self._lock)


def _drop_dead(parent: Path) -> None:
    for folder in parent.iterdir():
        with suppress(BlockingIOError), _locked(folder, wait=False):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(lock)
