"""Tracking: what a sweep tells its tracker, and the one thread that tells it.

Workers report to the driver, and the driver hands what it hears to a `TrackingWriter`; its thread
is the tracker's only client. Training never waits for the store.
"""

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from akid.errors import TrackingError
from akid.tuning.plan import KnownRun
from akid.tuning.trial import Trial

logger = logging.getLogger(__name__)

_GATHER_S: Final = 0.5  # rows that arrive within this time go into one batch
_RETRY_PAUSES_S: Final = (0.5, 2.0, 8.0)

WHEN: Final = frozenset({"step", "time_s"})
"""The entries of a row that say when it was recorded; all others are metrics."""

Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnd:
    """How a trial ended, for the tracker.

    Attributes:
        status: A status of `akid.tuning.results`.
        summary: Metrics of the whole trial by name, such as `best/val_accuracy`.
        tags: What is said of the run in words.
        files: Artifacts: name in the run to file on disk.
        texts: Artifacts: name in the run to content.
    """

    status: str
    summary: Metrics = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


class Tracker(ABC):
    """A store of runs. Every method may raise `TrackingError`."""

    @abstractmethod
    def known_runs(self) -> list[KnownRun]:
        """Return the trial runs of the experiment, newest first."""

    @abstractmethod
    def close_left_open(self) -> int:
        """Close as KILLED what dead sweeps left open; return how many runs that were."""

    @abstractmethod
    def start_sweep(self, name: str, *, tags: Mapping[str, str], texts: Mapping[str, str]) -> str:
        """Open the sweep's parent run and return its id."""

    @abstractmethod
    def start_trial(
        self, trial: Trial, *, parent_id: str, tags: Mapping[str, str], goes_on: str | None = None
    ) -> str:
        """Open a trial's run and return its id.

        Args:
            trial: The trial.
            parent_id: The sweep's run.
            tags: What is said of it.
            goes_on: The run that broke off and goes on now; None opens a new one. Rows that it has
                already are not added again.
        """

    @abstractmethod
    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        """Add rows of metrics; each has `step` and `time_s` beside the metrics."""

    @abstractmethod
    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        """Add what a trial ended with and close its run."""

    @abstractmethod
    def end_sweep(self, run_id: str, *, status: str, summary: Metrics) -> None:
        """Close the sweep's run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    trial: Trial
    tags: Mapping[str, str]
    goes_on: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    index: int
    rows: Sequence[Metrics]


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    index: int
    end: TrialEnd


_Event = _Start | _Rows | _End


class TrackingWriter:
    """Tells a tracker what happens to the trials of one sweep, in a thread of its own.

    Args:
        tracker: The store.
        parent_id: The sweep's run.

    Attributes:
        run_ids: The runs of the trials by the trials' index; complete after `close`.
    """

    def __init__(self, tracker: Tracker, *, parent_id: str) -> None:
        self.run_ids: dict[int, str] = {}
        self._tracker = tracker
        self._parent_id = parent_id
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._faults: list[str] = []
        self._thread = threading.Thread(target=self._write, name="akid tracking", daemon=True)
        self._thread.start()

    def start_trial(
        self, trial: Trial, *, tags: Mapping[str, str], goes_on: str | None = None
    ) -> None:
        """Open a run for `trial`, or let the run `goes_on` go on."""
        self._events.put(_Start(trial=trial, tags=tags, goes_on=goes_on))

    def log_rows(self, index: int, rows: Sequence[Metrics]) -> None:
        """Add rows to the run of the trial with this index."""
        self._events.put(_Rows(index=index, rows=rows))

    def end_trial(self, index: int, end: TrialEnd) -> None:
        """Close the run of the trial with this index."""
        self._events.put(_End(index=index, end=end))

    def close(self) -> list[str]:
        """Wait until all is written; return what the store refused, one sentence each."""
        self._events.put(None)
        self._thread.join()
        return self._faults

    def _write(self) -> None:
        closing = False
        while not closing:
            events, closing = self._gather()
            for event in _joined(events):
                self._tell(event)

    def _gather(self) -> tuple[list[_Event], bool]:
        """Wait for an event, then take what follows within a moment; True when it was the last."""
        events: list[_Event] = []
        wait_s: float | None = None
        deadline_s = 0.0
        while True:
            try:
                event = self._events.get(timeout=wait_s)
            except queue.Empty:
                return events, False
            if event is None:
                return events, True
            if not events:
                deadline_s = time.monotonic() + _GATHER_S
            events.append(event)
            wait_s = max(0.0, deadline_s - time.monotonic())

    def _tell(self, event: _Event) -> None:
        for pause_s in (*_RETRY_PAUSES_S, None):
            try:
                self._tell_once(event)
            except TrackingError as error:
                if pause_s is None:
                    self._faults.append(str(error))
                    logger.warning("not tracked: %s", error)
                else:
                    time.sleep(pause_s)
            else:
                return

    def _tell_once(self, event: _Event) -> None:
        match event:
            case _Start(trial=trial, tags=tags, goes_on=goes_on):
                self.run_ids[trial.index] = self._tracker.start_trial(
                    trial, parent_id=self._parent_id, tags=tags, goes_on=goes_on
                )
            case _Rows(index=index, rows=rows):
                self._tracker.log_rows(self._run_id(index), rows)
            case _End(index=index, end=end):
                self._tracker.end_trial(self._run_id(index), end)

    def _run_id(self, index: int) -> str:
        if index not in self.run_ids:
            raise TrackingError(f"trial {index}: expected an open run, but it could not be opened.")
        return self.run_ids[index]


def _joined(events: Iterable[_Event]) -> list[_Event]:
    """Join neighbouring rows of one trial into one event; the order within a trial stays."""
    joined: list[_Event] = []
    open_rows: dict[int, int] = {}
    for event in events:
        if not isinstance(event, _Rows):
            joined.append(event)
            open_rows.pop(event.trial.index if isinstance(event, _Start) else event.index, None)
        elif event.index in open_rows:
            earlier = joined[open_rows[event.index]]
            assert isinstance(earlier, _Rows)
            joined[open_rows[event.index]] = _Rows(
                index=event.index, rows=[*earlier.rows, *event.rows]
            )
        else:
            open_rows[event.index] = len(joined)
            joined.append(event)
    return joined
