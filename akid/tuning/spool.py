"""Spool: what the tracking store has not taken yet, kept on disk.

A sweep has one file, made when it is first needed and deleted when nothing waits. Its first line
says which store, experiment and sweep it belongs to; then come events with a number, and between
them the numbers of those that were taken. When the file outgrows its bounds it is written anew,
without what was taken and with fewer of the oldest rows (docs/decisions/0014).
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self, final

from akid.errors import TrackingError
from akid.tuning.line_file import LineFile, Span
from akid.tuning.thinning import last_rows, thinned
from akid.tuning.tracking import Metrics
from akid.tuning.tracking_events import Event, Recorded, decode, encode, is_artifact

logger = logging.getLogger(__name__)

FOLDER: Final = ".unsent"
"""The folder of an experiment's spools, below the experiment's own."""

MAX_BYTES: Final = 64 * 2**20
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolHead:
    """Where a spool's events belong.

    Attributes:
        uri: The tracking store.
        experiment: The experiment's name in the store.
        sweep: The id of the sweep's run.
    """

    uri: str
    experiment: str
    sweep: str

    def file(self, folder: Path) -> Path:
        """Return where the spool lies, below the experiment's folder."""
        return folder / FOLDER / f"{self.sweep}.jsonl"


@dataclass(kw_only=True, slots=True)
class _Entry:
    """An event that waits: on disk (`span`), or in memory where the disk did not take it."""

    lane: tuple[bool, int | None]
    span: Span | None = None
    held: Event | None = None


@final
class Spool:
    """The events of one sweep that wait for the store, oldest first.

    No method raises because of the disk. What it does not take is held in memory; of rows of
    metrics only each metric's last value is.

    Args:
        file: Where the events wait.
        head: Where they belong.
        max_bytes: What the file may take; more only where there are no rows left to drop.

    Attributes:
        file: Where the events wait.
        head: Where they belong.
        dropped_rows: How many rows were dropped to keep within the bounds.
        lost_rows: How many rows the disk did not take.
        damaged_lines: How many lines can't be read any more.
    """

    def __init__(self, file: Path, head: SpoolHead, *, max_bytes: int = MAX_BYTES) -> None:
        self.file = file
        self.head = head
        self.dropped_rows = self.lost_rows = self.damaged_lines = 0
        self._max_bytes = max_bytes
        self._lines: LineFile | None = None
        self._entries: dict[int, _Entry] = {}
        self._counts: Counter[tuple[bool, int | None]] = Counter()
        self._next_number = 0

    @classmethod
    def open_left(cls, file: Path) -> Self | None:
        """Return what an earlier process left; None while somebody has it, or once it is gone.

        Raises:
            TrackingError: If it is no spool, or one of another version of akid.
        """
        lines = LineFile.open(file)
        if lines is None:
            return None
        found = list(lines.lines())
        try:
            spool = cls(file, _head(found[0][1] if found else None, file))
        except TrackingError:
            lines.close()
            raise
        spool._lines = lines
        for span, line in found[1:]:
            spool._note(span, line)
        spool._entries = dict(sorted(spool._entries.items()))
        return spool

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._entries)

    def waiting(self) -> list[int]:
        """Return the numbers of the events that wait, oldest first."""
        return list(self._entries)

    def holds(self, *, artifacts: bool, index: int | None) -> bool:
        """Whether an event of this trial waits, one about artifacts or another one."""
        return self._counts[artifacts, index] > 0

    def lane(self, number: int) -> tuple[bool, int | None]:
        """Return whether an event is about artifacts, and its trial."""
        return self._entries[number].lane

    def add(self, event: Event) -> int:
        """Keep an event, and return its number."""
        number, self._next_number = self._next_number, self._next_number + 1
        entry = self._put(number, _Entry(lane=_lane(event)))
        try:
            self._write(number, entry, event)
        except OSError as error:
            self._hold(entry, event, error)
            return number
        if self._lines is not None and self._lines.size_bytes > self._max_bytes:
            self._compact()
        return number

    def read(self, number: int) -> Event | None:
        """Return an event; None if the disk does not give it back, and it is lost."""
        entry = self._entries[number]
        if entry.held is not None:
            return entry.held
        assert self._lines is not None
        assert entry.span is not None
        try:
            return decode(self._lines.read(entry.span)["event"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("not tracked: %s does not give an event back: %s", self.file, error)
            self.damaged_lines += 1
            return None

    def remove(self, number: int) -> None:
        """Note that the store has taken an event, or that it is lost."""
        self._take(number)
        if self._lines is not None:
            with suppress(OSError):  # then it is found out again: telling twice changes nothing
                self._lines.append({"taken": [number]})

    def commit(self) -> None:
        """Bring to disk what is not there yet; delete the file when nothing waits."""
        with suppress(OSError):  # the next time, perhaps
            for number, entry in self._entries.items():
                if entry.held is not None:
                    self._write(number, entry, entry.held)
            if self._lines is not None and self._entries:
                self._lines.sync()
        if self._lines is not None and not self._entries:
            self._delete()

    def close(self) -> None:
        """Let go of the file; it stays where events wait."""
        self.commit()
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _put(self, number: int, entry: _Entry) -> _Entry:
        self._entries[number] = entry
        self._counts[entry.lane] += 1
        return entry

    def _take(self, number: int) -> _Entry:
        entry = self._entries.pop(number)
        self._counts[entry.lane] -= 1
        return entry

    def _write(self, number: int, entry: _Entry, event: Event) -> None:
        if self._lines is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._lines, _ = LineFile.create(self.file, [_first_line(self.head)])
        entry.span = self._lines.append(_line(number, event))
        entry.held = None

    def _hold(self, entry: _Entry, event: Event, error: OSError) -> None:
        """Keep in memory what the disk does not take, of rows the last values."""
        if not isinstance(event, Recorded):
            entry.held = event
            return
        if not self.lost_rows:
            logger.warning("%s can't be written, so metrics will be missing: %s", self.file, error)
        rows = [*self._held_rows(event.index), *event.rows]
        kept = last_rows(rows)
        self.lost_rows += len(rows) - len(kept)
        entry.held = Recorded(index=event.index, rows=kept)

    def _held_rows(self, index: int) -> list[Metrics]:
        """Take the rows of a trial that are held in memory."""
        found = {
            number: entry.held.rows
            for number, entry in self._entries.items()
            if entry.lane == (False, index) and isinstance(entry.held, Recorded)
        }
        for number in found:
            self._take(number)
        return [row for rows in found.values() for row in rows]

    def _compact(self) -> None:
        """Write the file anew: what waits there, thinned to half of the bounds if it must be."""
        numbers = [number for number, entry in self._entries.items() if entry.held is None]
        read = {number: self.read(number) for number in numbers}
        for number in [number for number, event in read.items() if event is None]:
            self._take(number)
        events = {number: event for number, event in read.items() if event is not None}
        kept, dropped = thinned(list(events.values()), self._max_bytes // 2, _size_bytes)
        lines = [_line(number, event) for number, event in zip(events, kept, strict=True)]
        try:
            path = self.file.with_suffix(".new")
            made, spans = LineFile.create(path, [_first_line(self.head), *lines])
            made.replace(self.file)
        except OSError as error:
            logger.warning("%s can't be written anew: %s", self.file, error)
            self._max_bytes *= 2  # not again at once
            return
        assert self._lines is not None
        self._lines.close()
        self._lines = made
        for number, span in zip(events, spans[1:], strict=True):
            self._entries[number].span = span
        self.dropped_rows += dropped
        self._max_bytes = max(self._max_bytes, 2 * made.size_bytes)

    def _delete(self) -> None:
        assert self._lines is not None
        self._lines.delete()
        self._lines = None
        with suppress(OSError):  # another sweep's spool may lie there
            self.file.parent.rmdir()

    def _note(self, span: Span, line: Mapping[str, Any] | None) -> None:
        """Note a line that an earlier process wrote."""
        try:
            for number in (line or {}).get("taken", ()):
                if number in self._entries:
                    self._take(number)
            if line is None or "event" in line:
                number, event = (line or {})["number"], decode((line or {})["event"])
                self._put(number, _Entry(lane=_lane(event), span=span))
                self._next_number = max(self._next_number, number + 1)
        except (KeyError, TypeError, ValueError):
            self.damaged_lines += 1


def left_below(folder: Path) -> list[Path]:
    """Return the spools of an experiment's folder, or of the folders in it; oldest first."""
    found = [*folder.glob(f"{FOLDER}/*.jsonl"), *folder.glob(f"*/{FOLDER}/*.jsonl")]
    times_s = {file: _changed_s(file) for file in found}
    return sorted(found, key=times_s.__getitem__)


def head_of(file: Path) -> SpoolHead | None:
    """Return where a spool's events belong, also while somebody has it; None if it says nothing."""
    try:
        with file.open(encoding="utf-8") as stream:
            return _head(json.loads(stream.readline()), file)
    except (OSError, ValueError, TypeError, TrackingError):
        return None


def _changed_s(file: Path) -> float:
    """Return when a file was changed; its sweep may delete it at any moment."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _first_line(head: SpoolHead) -> dict[str, Any]:
    return {"akid_spool": _FORMAT, **asdict(head)}


def _line(number: int, event: Event) -> dict[str, Any]:
    return {"number": number, "event": encode(event)}


def _head(line: Mapping[str, Any] | None, file: Path) -> SpoolHead:
    fields = dict(line or {})
    number = fields.pop("akid_spool", None)
    if number not in (None, _FORMAT):
        raise TrackingError(
            f"{file}: expected events in format {_FORMAT}, got format {number!r}. Send them with"
            " the version of akid that wrote them."
        )
    try:
        return SpoolHead(**fields)
    except TypeError as error:
        raise TrackingError(
            f"{file}: expected events that wait for the tracking store, got something else."
            " If it was damaged, what it held is lost: delete it."
        ) from error


def _lane(event: Event) -> tuple[bool, int | None]:
    return is_artifact(event), event.index


def _size_bytes(event: Event) -> int:
    return len(json.dumps(encode(event)))
