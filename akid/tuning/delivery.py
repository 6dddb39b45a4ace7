"""Delivery: brings events to a tracker, each once; what it does not take now waits in a spool.

There are two lanes: what a run says, and the artifacts that it leaves. Each can be down by itself,
since a store keeps the two in different places. While a lane is down its events go to the spool
and are tried again after a pause that doubles; those of one trial stay in their order.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, final

from akid.errors import RefusedError, TrackingError
from akid.tuning import trial_artifacts
from akid.tuning.run_end import close_run
from akid.tuning.spool import Spool
from akid.tuning.tracking import Tracker
from akid.tuning.tracking_events import (
    Ended,
    Event,
    Left,
    Recorded,
    Started,
    SweepEnded,
    Tagged,
    is_artifact,
)

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_FAILURES_OF_A_LANE: Final = 2  # of different trials, one after the other


@dataclass(kw_only=True, slots=True)
class _Attempt:
    """One walk through what waits; a lane is True for artifacts."""

    taken: int = 0
    blocked: set[tuple[bool, int | None]] = field(default_factory=set)
    failures: Counter[bool] = field(default_factory=Counter)

    def may_pass(self, place: tuple[bool, int | None]) -> bool:
        return place not in self.blocked and self.failures[place[0]] < _FAILURES_OF_A_LANE

    def note_taken(self, event: Event) -> None:
        self.taken += 1
        self.failures[is_artifact(event)] = 0

    def note_failure(self, event: Event) -> None:
        lane = is_artifact(event)
        self.failures[lane] += 1
        self.blocked.add((lane, event.index))
        if isinstance(event, Started):  # no artifact without a run
            self.blocked.add((True, event.index))


@final
class Delivery:
    """Brings what happens to the runs of one sweep to a tracker.

    Args:
        tracker: The store.
        spool: Where waits what the store does not take.

    Attributes:
        run_ids: The runs of the trials by the trials' index, as far as they are known.
        refused: What the store will never take, one sentence each.
    """

    def __init__(self, tracker: Tracker, spool: Spool) -> None:
        self.run_ids: dict[int, str] = {}
        self.refused: list[str] = []
        self._tracker = tracker
        self._spool = spool
        self._down: set[bool] = set()
        self._doubtful: set[int] = set()
        self._pause_s = _FIRST_PAUSE_S
        self._wake_s: float | None = 0.0 if len(spool) else None
        self._fault = ""

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._spool)

    @property
    def fault(self) -> str:
        """Why the store did not take the last thing that it did not take."""
        return self._fault

    def wait_s(self) -> float | None:
        """Return the seconds until what waits is to be tried again; None if nothing waits."""
        return None if self._wake_s is None else max(0.0, self._wake_s - time.monotonic())

    def tell(self, events: Iterable[Event], *, stop: Callable[[], bool] = lambda: False) -> None:
        """Bring events to the store, or to the spool; all to the spool once `stop` says so."""
        for event in events:
            if stop() or self._must_wait(event) or not self._send(event, again=False):
                self._keep(event)
        self._spool.commit()

    def retry(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Try again what waits, until all is tried or `stop` says so."""
        attempt = _Attempt()
        for number in self._spool.waiting():
            if stop():
                break
            if attempt.may_pass(self._spool.lane(number)):
                self._retry_one(number, attempt)
        self._spool.commit()
        self._down = {lane for lane, count in attempt.failures.items() if count}
        self._schedule(attempt)

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    def _must_wait(self, event: Event) -> bool:
        lane, holds = is_artifact(event), self._spool.holds
        if lane in self._down or holds(artifacts=False, index=event.index):
            return True
        return lane and holds(artifacts=True, index=event.index)

    def _keep(self, event: Event) -> None:
        if not len(self._spool):
            self._pause_s = _FIRST_PAUSE_S
            self._wake_s = time.monotonic() + self._pause_s
        self._spool.add(event)

    def _retry_one(self, number: int, attempt: _Attempt) -> None:
        event = self._spool.read(number)
        if event is None:
            self._spool.remove(number)
        elif self._send(event, again=True):
            self._spool.remove(number)
            attempt.note_taken(event)
        else:
            attempt.note_failure(event)

    def _schedule(self, attempt: _Attempt) -> None:
        if not len(self._spool):
            if attempt.taken:
                logger.warning("the tracking store answers again: all that waited is sent")
            self._wake_s, self._fault = None, ""
            return
        self._pause_s = (
            _FIRST_PAUSE_S if attempt.taken else min(2 * self._pause_s, _LONGEST_PAUSE_S)
        )
        self._wake_s = time.monotonic() + self._pause_s

    def _send(self, event: Event, *, again: bool) -> bool:
        """Tell the store; False if it did not take it now."""
        try:
            self._carry_out(event, again=again)
        except RefusedError as error:
            self._note_refused(str(error))
        except TrackingError as error:
            if not self._fault:
                logger.warning("not tracked yet, it waits in %s: %s", self._spool.file, error)
            self._fault = str(error)
            self._down.add(is_artifact(event))
            return False
        except Exception as error:  # a tracker's own fault, which must not end what comes after it
            self.refused.append(f"{type(error).__name__}: {error}")
            logger.warning("not tracked", exc_info=True)
        return True

    def _note_refused(self, what: str) -> None:
        self.refused.append(what)
        logger.warning("not tracked: %s", what)

    def _carry_out(self, event: Event, *, again: bool) -> None:
        tracker, parent_id = self._tracker, self._spool.head.sweep
        match event:
            case Started():
                self._start(event, again=again)
            case Recorded(index=index, rows=rows):
                tracker.log_rows(self._run_id(index), rows)
            case Tagged(index=index, tags=tags):
                tracker.set_tags(parent_id if index is None else self._run_id(index), tags)
            case Left(index=index, files=files, texts=texts):
                run_id = parent_id if index is None else self._run_id(index)
                with trial_artifacts.at_hand(files) as paths:
                    tracker.log_files(run_id, files=paths, texts=texts)
            case Ended(index=index, end=end):
                if refused := close_run(tracker, self._run_id(index), end):
                    self._note_refused(refused)
                self._drop_doubles(index)
            case SweepEnded(status=status, summary=summary, ended_s=ended_s):
                tracker.end_sweep(parent_id, status=status, summary=summary, ended_s=ended_s)

    def _start(self, event: Started, *, again: bool) -> None:
        """Open a trial's run, or go on with the one that a call opened which seemed to fail."""
        parent_id = self._spool.head.sweep
        again = again and event.start.goes_on is None
        opened = self._tracker.find_trials(parent_id, event.index) if again else []
        self.run_ids[event.index] = self._tracker.start_trial(
            event.start, parent_id=parent_id, run_id=opened[0] if opened else None
        )
        if again:
            self._doubtful.add(event.index)

    def _drop_doubles(self, index: int) -> None:
        """Delete what a call opened that seemed to fail, and was carried out later."""
        if index not in self._doubtful:
            return
        for run_id in self._tracker.find_trials(self._spool.head.sweep, index):
            if run_id != self.run_ids[index]:
                self._tracker.delete_run(run_id)
        self._doubtful.remove(index)

    def _run_id(self, index: int) -> str:
        if index not in self.run_ids:
            found = self._tracker.find_trials(self._spool.head.sweep, index)
            if not found:
                raise RefusedError(f"trial {index}: expected its run, but it could not be opened.")
            self.run_ids[index] = found[0]
        return self.run_ids[index]
