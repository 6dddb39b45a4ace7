"""Line file: lines of JSON that are only appended, in a file that one process has at a time."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, final

logger = logging.getLogger(__name__)

_OWNER_ONLY: Final = 0o600
_MADE_WITHIN_S: Final = 60.0

Line = Mapping[str, Any]


class Span(NamedTuple):
    """Where a line stands: its first byte, and how many bytes it has."""

    offset: int
    length: int


@final
class LineFile:
    """A file of lines, locked for as long as it is open; the lock ends with the process.

    Only its owner may read the file. A line is there as a whole or not at all: what a full disk or
    the end of a process has cut off is left out.

    Args:
        handle: The open file, which is locked.
        path: Where it lies.
        size_bytes: Its length.
    """

    def __init__(self, handle: int, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._handle = handle
        self._is_synced = True

    @classmethod
    def create(cls, path: Path, lines: Iterable[Line]) -> tuple[Self, list[Span]]:
        """Make a file with these lines in the place of any other; return where they stand, too.

        Raises:
            OSError: If the disk does not take it; no file is left behind then.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        made = cls(handle, path, 0)
        try:
            _lock(handle, path, waits=True)
            return made, [made.append(line) for line in lines]
        except OSError:
            made.delete()
            raise

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """Open a file that another process left; None while somebody has it, or if it is gone.

        An empty one is being made, or its maker was killed; that is cleared away after a while.
        """
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        if not _lock(handle, path) or not _is_at(handle, path):
            os.close(handle)
            return None
        if not (state := os.fstat(handle)).st_size:
            if time.time() - state.st_mtime > _MADE_WITHIN_S:
                path.unlink(missing_ok=True)
            os.close(handle)
            return None
        whole_bytes = path.read_bytes().rfind(b"\n") + 1
        if whole_bytes < os.fstat(handle).st_size:
            logger.warning("%s ends in half a line, which is left out", path)
            os.ftruncate(handle, whole_bytes)
        return cls(handle, path, whole_bytes)

    def append(self, line: Line) -> Span:
        """Append a line; it is with the operating system when this returns.

        Raises:
            OSError: If the disk does not take it; nothing of it is in the file then.
        """
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        span = Span(self.size_bytes, len(data))
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._handle, data[written:], span.offset + written)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, span.offset)
            raise
        self.size_bytes += len(data)
        self._is_synced = False
        return span

    def read(self, span: Span) -> dict[str, Any]:
        """Return a line.

        Raises:
            OSError, ValueError: If the disk does not give it back.
        """
        line: dict[str, Any] = json.loads(os.pread(self._handle, span.length, span.offset))
        return line

    def lines(self) -> Iterator[tuple[Span, dict[str, Any] | None]]:
        """Yield each line and where it stands; None for one that can't be read."""
        offset = 0
        with self.path.open("rb") as stream:
            for data in stream:
                try:
                    line = json.loads(data)
                except ValueError:
                    line = None
                yield Span(offset, len(data)), line if isinstance(line, dict) else None
                offset += len(data)

    def sync(self) -> None:
        """Have the operating system bring to disk what was appended."""
        if not self._is_synced:
            os.fsync(self._handle)
            self._is_synced = True

    def replace(self, other: Path) -> None:
        """Move the file to the place of another one."""
        self.sync()
        self.path.rename(other)
        self.path = other

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def delete(self) -> None:
        """Delete the file and let go of it."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()


def _lock(handle: int, path: Path, *, waits: bool = False) -> bool:
    """Lock a file until it is closed; False if another process has it, unless one waits for it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        logger.warning("%s lies where files can't be locked: %s", path, error)
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of this name: it may have been written anew."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
