"""Tracking writer: the one thread that tells a tracker what happens to the trials of a sweep.

Workers report to the driver, and the driver hands what it hears to the writer, whose thread is the
tracker's only client. Training never waits for the store.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

from akid.tuning.begun import Begun
from akid.tuning.delivery import Delivery
from akid.tuning.spool import Spool
from akid.tuning.tracking import Metrics, Tracker, TrialEnd, TrialStart
from akid.tuning.tracking_events import (
    Ended,
    Event,
    Left,
    Recorded,
    Started,
    SweepEnded,
    Tagged,
    joined,
)
from akid.tuning.trial import Trial

logger = logging.getLogger(__name__)

_GATHER_S: Final = 2.0  # rows that arrive within this time go into one batch
_PATIENCE_S: Final = 10.0  # at the end, for a store that does not answer
_LOOK_S: Final = 0.1
_SAY_S: Final = 5.0  # the end of a sweep that takes longer is explained


@final
class TrackingWriter:
    """Tells a tracker what happens to the trials of one sweep, in a thread of its own.

    Args:
        tracker: The store.
        spool: Where waits what the store does not take; the writer closes it.
        patience_s: How long `close` waits for a store that does not answer.

    Attributes:
        run_ids: The runs of the trials by the trials' index; complete after `close`, but for those
            that wait to be opened.
    """

    def __init__(self, tracker: Tracker, *, spool: Spool, patience_s: float = _PATIENCE_S) -> None:
        self._delivery = Delivery(tracker, spool)
        self._spool = spool
        self._begun = Begun(spool)
        self._patience_s = patience_s
        self._hurry = threading.Event()
        self._has_ended = threading.Event()  # an interrupted `join` takes its thread for ended
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="akid tracking", daemon=True)
        self._thread.start()

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The runs of the trials by the trials' index."""
        return self._delivery.run_ids

    def start_trial(
        self, trial: Trial, *, tags: Mapping[str, str], goes_on: str | None = None
    ) -> None:
        """Open a run for `trial`, which begins now, or let the run `goes_on` go on.

        That it begins is on disk when this returns: from then on its folder counts, also where this
        process is killed before the run is open.
        """
        event = Started(start=TrialStart.of(trial, tags=tags, goes_on=goes_on))
        self._begun.add(event)
        self._events.put(event)

    def log_rows(self, index: int, rows: Sequence[Metrics]) -> None:
        """Add rows to the run of the trial with this index."""
        self._events.put(Recorded(index=index, rows=rows))

    def set_tags(self, index: int | None, tags: Mapping[str, str]) -> None:
        """Say something of the run of the trial with this index, or of the sweep's own (None)."""
        self._events.put(Tagged(index=index, tags=tags))

    def log_files(
        self,
        index: int | None,
        *,
        files: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Add artifacts to the run of the trial with this index, or to the sweep's own (None)."""
        self._events.put(Left(index=index, files=files or {}, texts=texts or {}))

    def end_trial(self, index: int, end: TrialEnd) -> None:
        """Close the run of the trial with this index."""
        self._events.put(Ended(index=index, end=end))

    def end_sweep(self, *, status: str, summary: Metrics) -> None:
        """Close the sweep's run."""
        self._events.put(SweepEnded(status=status, summary=summary, ended_s=time.time()))

    def close(self, *, wishes: Callable[[], int] = lambda: 0) -> list[str]:
        """Wait until all is written or kept; return what is missing, one sentence each.

        For a store that does not answer it waits `patience_s`. A Ctrl-C meanwhile ends that: the
        event that the store is being told is told to its end, the others wait on disk.

        Args:
            wishes: How often the end was asked for, where a Ctrl-C raises nothing.

        Raises:
            KeyboardInterrupt: If a second one comes meanwhile; what is left is the next sweep's.
        """
        self._events.put(None)
        before, said_s = wishes(), time.monotonic() + _SAY_S
        while not self._has_ended.is_set():
            self._wait(lambda: wishes() > before)
            if time.monotonic() >= said_s and not self._hurry.is_set():
                logger.warning("the tracking store takes its time; Ctrl-C leaves the rest on disk")
                said_s = math.inf
        missing = self._missing()
        for sentence in missing:
            logger.warning("not tracked: %s", sentence)
        return [*self._delivery.refused, *missing]

    def _wait(self, is_to_hurry: Callable[[], bool]) -> None:
        """Wait a moment for the thread's end."""
        try:
            self._has_ended.wait(_LOOK_S)
        except KeyboardInterrupt:
            if self._hurry.is_set():
                raise
            self._hurry.set()
        if is_to_hurry():
            self._hurry.set()

    def _run(self) -> None:
        try:
            self._write()
        finally:
            self._has_ended.set()

    def _write(self) -> None:
        closing = False
        while not closing:
            events, closing = self._gather()
            self._pass_on(events)
            if self._delivery.wait_s() == 0.0:
                self._delivery.retry(stop=self._hurry.is_set)
        self._begun.close()
        self._finish()

    def _pass_on(self, events: Sequence[Event]) -> None:
        """Bring events to the store or to the spool; then nobody else has to know of the starts."""
        self._delivery.tell(joined(events), stop=self._hurry.is_set)
        for event in events:
            if isinstance(event, Started):
                self._begun.remove(event)

    def _gather(self) -> tuple[list[Event], bool]:
        """Wait for an event, then take what follows within a moment; True when it was the last."""
        events: list[Event] = []
        wait_s = self._delivery.wait_s()
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

    def _finish(self) -> None:
        """Try again what waits, for as long as there is patience."""
        deadline_s = time.monotonic() + self._patience_s

        def is_over() -> bool:
            return self._hurry.is_set() or time.monotonic() >= deadline_s

        while self._delivery.waiting and not is_over():
            self._delivery.retry(stop=is_over)
            rest_s = min(self._delivery.wait_s() or 0.0, deadline_s - time.monotonic())
            self._hurry.wait(max(0.0, rest_s))
        self._delivery.close()

    def _missing(self) -> list[str]:
        spool, missing = self._spool, []
        if spool.dropped_rows:
            missing.append(
                f"{spool.dropped_rows} rows of metrics were dropped, because too many waited for"
                " the tracking store."
            )
        if spool.lost_rows:
            missing.append(
                f"{spool.lost_rows} rows of metrics are lost: neither the tracking store nor"
                f" {spool.file.parent} took them."
            )
        if self._delivery.waiting:
            missing.append(
                f"{self._delivery.waiting} events wait in {spool.file}; the next sweep sends them,"
                f" or: akid.sweep sync {spool.file.parent.parent}"
            )
        return missing
