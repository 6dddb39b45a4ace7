"""Rows: what a trial recorded, kept beside its checkpoints so that a later attempt can go on."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, final
from uuid import uuid4

from akid.errors import TakenOverError
from akid.training.full_disk import is_full_disk
from akid.tuning import trial_artifacts
from akid.tuning.execute import Row

FILE_NAME: Final = "rows.jsonl"

_Identity: TypeAlias = tuple[int, int]
AnyRow = TypeVar("AnyRow", bound=Mapping[str, float])


@final
class News:
    """Tells the rows of a trial that were not heard before: an attempt after a break repeats some.

    >>> news = News()
    >>> news.only_new([{"step": 1, "lr": 0.1}, {"step": 2, "lr": 0.1}])
    [{'step': 1, 'lr': 0.1}, {'step': 2, 'lr': 0.1}]
    >>> news.only_new([{"step": 1, "lr": 0.1}, {"step": 2, "val_loss": 3.0}])
    [{'step': 2, 'val_loss': 3.0}]
    """

    def __init__(self) -> None:
        self._step = -1.0
        self._names: set[str] = set()

    def only_new(self, rows: Sequence[AnyRow]) -> list[AnyRow]:
        """Return the rows that are later than, or stand beside, the latest that was heard."""
        return [row for row in rows if self._is_new(row)]

    def _is_new(self, row: Mapping[str, float]) -> bool:
        step = row["step"]
        if step < self._step or (step == self._step and self._names >= set(row)):
            return False
        if step > self._step:
            self._step, self._names = step, set()
        self._names |= set(row)
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """What an attempt at a trial left behind.

    Attributes:
        rows: What it recorded, in order.
        result: What the trial came to, where it had come to its end; None where it broke off.
    """

    rows: list[Row]
    result: dict[str, Any] | None

    @property
    def step(self) -> int:
        """The last step of which there is a row."""
        return int(self.rows[-1]["step"]) if self.rows else 0


@final
class RowFile:
    """The rows of one trial as a file: a line with its key, a line for each row, a line at its end.

    The file belongs to the attempt that opened it last: that one has put a file of its own in place
    of the earlier one, and an earlier attempt that still runs somewhere finds out by that.

    What a full disk does not take is kept in memory, and written as soon as there is room.

    Args:
        folder: The trial's folder.
        key: What the trial is (see `akid.tuning.trial.Trial`).
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._file = folder / FILE_NAME
        self._key = key
        self._stream: FileIO | None = None
        self._earlier: _Identity | None = None
        self._waiting: list[Mapping[str, Any]] = []
        self._news = News()
        self.fault = ""
        """What a full disk said when it first took no row; empty where it took all."""

    def left(self) -> Left | None:
        """Return what earlier attempts at this trial left; None if there is nothing of it.

        Raises:
            OSError: If there is a file that can't be read.
        """
        try:
            return self._understood(self._file.read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def begin(self) -> None:
        """Begin a file of this attempt's own."""
        self._earlier = _identity(self._file)
        self._send()

    def go_on(self) -> Left | None:
        """Begin a file of this attempt's own with what earlier ones left, and return that.

        Without anything left, or where the trial had come to its end, nothing is begun.
        """
        left = self.left()
        if left is None or left.result is not None:
            return left
        self._earlier = _identity(self._file)
        with self._file.open(encoding="utf-8", errors="replace") as earlier:
            self._waiting += self._news.only_new(left.rows)
            self._send()
            late = self._understood(earlier.read())  # an attempt that still ran has written more
        rows = self._news.only_new(late.rows) if late is not None else []
        self._waiting += rows
        self._send()
        return Left(rows=[*left.rows, *rows], result=None)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def add(self, row: Row) -> None:
        """Keep a row, unless it is there already.

        It is in the file when this returns, if the disk has room.

        Raises:
            TakenOverError: If another attempt has begun since.
        """
        self._check_own()
        self._waiting += self._news.only_new([row])
        self._send()

    def end(self, result: Mapping[str, Any]) -> None:
        """Say that the trial came to its end, and to what.

        Raises:
            TakenOverError: If another attempt has begun since.
        """
        self._check_own()
        self._waiting.append({"result": dict(result)})
        self._send()

    def _check_own(self) -> None:
        """Compare the file that is open here, which exists as long as it is, with that in place.

        Where a full disk let none begin, that of an earlier attempt has to be there still.
        """
        own = self._earlier
        if self._stream is not None:
            own = _identity(self._stream.fileno())
        if _identity(self._file) != own:
            raise TakenOverError(
                f"RowFile: expected {self._file} to be this attempt's own, got that of another"
                " process, which practises the same trial in the same folder. This attempt ends;"
                " give sweeps with different stores different folders by --work-dir."
            )

    def _send(self) -> None:
        """Write what waits, as far as the disk takes it."""
        try:
            stream = self._stream or self._begin_file()
            while self._waiting:
                _write(stream, self._waiting[0])
                del self._waiting[0]
        except OSError as error:
            if not is_full_disk(error):
                raise
            self.fault = self.fault or str(error)

    def _begin_file(self) -> FileIO:
        """Put a file in place that has this attempt's key and all that waits."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        for remains in self._file.parent.glob(f".{FILE_NAME}.*"):  # of a writer that was killed
            remains.unlink(missing_ok=True)
        temporary = self._file.with_name(f".{FILE_NAME}.{uuid4().hex}")
        stream = temporary.open("wb", buffering=0)
        try:
            for line in ({"key": self._key}, *self._waiting):
                _write(stream, line)
            temporary.replace(self._file)
        except OSError:
            stream.close()
            temporary.unlink(missing_ok=True)
            raise
        self._stream = stream
        self._waiting = []
        return stream

    def _understood(self, text: str) -> Left | None:
        lines = _lines(text)
        if not lines or lines[0] != {"key": self._key}:
            return None
        rows = News().only_new([line for line in lines[1:] if "step" in line])
        return Left(rows=rows, result=lines[-1].get("result"))


def left_in(place: str, key: str) -> Left | None:
    """Return what attempts at a trial left where its files lie; None if there is nothing of it.

    Args:
        place: A path or a URI; empty if none is known.
        key: What the trial is.

    Raises:
        StorageError: If an object store does not answer.
        OSError: If there is a file that can't be read.
    """
    if not place:
        return None
    with trial_artifacts.folder_at_hand(place, [FILE_NAME]) as folder:
        return RowFile(folder, key).left()


def _identity(file: Path | int) -> _Identity | None:
    """Return what tells a file from every other one that exists; None if there is none."""
    try:
        found = os.stat(file)  # noqa: PTH116 (an open file has no path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _write(stream: FileIO, line: Mapping[str, Any]) -> None:
    """Append a line as a whole, or leave the file as it was."""
    data = json.dumps(line).encode() + b"\n"
    begin = stream.tell()
    try:
        while data:
            data = data[stream.write(data) :]
    except OSError:
        stream.truncate(begin)
        stream.seek(begin)
        raise


def _lines(text: str) -> list[dict[str, Any]]:
    """Return what can be read; a line that was cut off by a crash ends it."""
    lines = []
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            break
        if not isinstance(content, dict):
            break
        lines.append(content)
    return lines
