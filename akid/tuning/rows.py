"""Rows: what a trial recorded, kept beside its checkpoints so that a later attempt can go on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self, TextIO, final

from akid.tuning.execute import Row

FILE_NAME: Final = "rows.jsonl"


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

    def only_new(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are later than, or stand beside, the latest that was heard."""
        return [row for row in rows if self._is_new(row)]

    def _is_new(self, row: Row) -> bool:
        step = row["step"]
        if step < self._step or (step == self._step and self._names >= set(row)):
            return False
        if step > self._step:
            self._step, self._names = step, set()
        self._names |= set(row)
        return True


@final
class RowFile:
    """The rows of one trial as a file: a line with its key, a line for each row, a line at its end.

    A file of another trial, or of one that came to its end, is nothing to go on from.

    Args:
        folder: The trial's folder.
        key: What the trial is (see `akid.tuning.trial.Trial`).
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._file = folder / FILE_NAME
        self._key = key
        self._stream: TextIO | None = None

    def unfinished(self) -> list[Row] | None:
        """Return the rows of an earlier attempt that broke off; None if there is none."""
        lines = self._lines()
        if not lines or lines[0] != {"key": self._key} or lines[-1] == {"end": True}:
            return None
        return lines[1:]

    def __enter__(self) -> Self:
        """Go on with the file of an earlier attempt, or begin a new one."""
        begins = self.unfinished() is None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._file.open("w" if begins else "a", encoding="utf-8", buffering=1)
        if begins:
            self._write({"key": self._key})
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stream is not None
        self._stream.close()

    def add(self, row: Row) -> None:
        """Keep a row; it is in the file when this returns."""
        self._write(row)

    def end(self) -> None:
        """Say that the trial came to its end."""
        self._write({"end": True})

    def _write(self, line: dict[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(json.dumps(line) + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        """Return what can be read; a line that was cut off by a crash ends it."""
        if not self._file.is_file():
            return []
        lines = []
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return lines
