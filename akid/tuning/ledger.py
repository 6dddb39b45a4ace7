"""Ledger: the one owner of every trial's state while a sweep runs.

Events come in, instructions go out; nothing else happens here, so every order of events can be
tried in microseconds. A trial's way:

    waiting -> starting -> running -> finished | failed | diverged
                  |           |
                  |           +-> retrying -> waiting          (after a failure that is tried again)
                  +-----------+-> stopping -> killed | stopped | failed | retrying
    waiting -> skipped, retrying -> killed                     (when the sweep ends before)
    starting -> stopping -> skipped                            (when it had not begun by then)

Whatever is asked of the executor has an outcome: a started attempt ends by an event; one that is
told to stop and does not is stopped by force, and given up after that.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, final

from akid.errors import ExperimentError
from akid.tuning.failure import RESUMED, Failure, RetryPolicy, likeness
from akid.tuning.messages import (
    Abort,
    Close,
    Event,
    Failed,
    FellBehind,
    Finished,
    Instruction,
    Interrupted,
    Pointless,
    Reported,
    Start,
    Started,
    StoodStill,
    Stop,
    Stopped,
    Tick,
    Why,
)
from akid.tuning.results import DIVERGED, FAILED, FINISHED, KILLED, SKIPPED, STOPPED, SUCCEEDED


class State(StrEnum):
    """Where a trial is on its way."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RETRYING = "retrying"
    FINISHED = "finished"
    FAILED = "failed"
    DIVERGED = "diverged"
    KILLED = "killed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


OPEN: Final = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
"""The states in which an attempt is under way."""

_STATE_OF: Final = {
    FINISHED: State.FINISHED,
    FAILED: State.FAILED,
    DIVERGED: State.DIVERGED,
    KILLED: State.KILLED,
    STOPPED: State.STOPPED,
    SKIPPED: State.SKIPPED,
}
REASON_OF: Final[Mapping[Why, str]] = {
    "interrupt": "interrupted",
    "abort": "the sweep ended early",
    "stalled": "reported nothing for longer than stall_seconds; its stacks are in output.log",
    "timeout": "took longer than max_seconds; the next sweep goes on from its last checkpoint",
    "behind": "fell behind the others",
}
"""What is said of a trial that was told to end."""

_FAILURE_OF: Final[Mapping[Why, Failure]] = {
    "stalled": Failure.STALLED,
    "timeout": Failure.TIMEOUT,
}


@dataclass(kw_only=True, slots=True)
class _Entry:
    """What the ledger knows of one trial; times are those of the events."""

    index: int
    state: State = State.WAITING
    attempt: int = 0
    retries: Counter[Failure] = field(default_factory=Counter)
    resume: bool = False
    alone: bool = False
    has_begun: bool = False
    started_s: float = 0.0
    heard_s: float = 0.0
    has_reported: bool = False
    spent_s: float = 0.0
    due_s: float = 0.0  # when a retry begins, or when a stop is given up
    why: Why | None = None
    by_force: bool = False
    error: str = ""


@final
class Ledger:
    """Owns the state of each trial of a sweep.

    Args:
        indices: The trials that are to run, in the order in which they start.
        skipped: The trials that are not to run.
        policy: Retries and limits.
        max_concurrent: At most so many attempts at once; None for all.

    Raises:
        ExperimentError: If `max_concurrent` is below 1, with which nothing would ever start.

    >>> ledger = Ledger([0, 1], max_concurrent=1)
    >>> ledger.handle(Tick(), 0.0)
    [Start(index=0, attempt=1, resume=False, alone=False)]
    >>> for instruction in ledger.handle(Finished(index=0, attempt=1), 5.0):
    ...     print(instruction)
    Close(index=0, status='FINISHED', reason='', error='', failure=None)
    Start(index=1, attempt=1, resume=False, alone=False)
    """

    def __init__(
        self,
        indices: Iterable[int],
        *,
        skipped: Iterable[int] = (),
        policy: RetryPolicy | None = None,
        max_concurrent: int | None = None,
    ) -> None:
        if max_concurrent is not None and max_concurrent < 1:
            raise ExperimentError(
                f"max_concurrent: expected at least 1 trial at once, got {max_concurrent!r}."
            )
        self._policy = policy or RetryPolicy()
        self._entries = {index: _Entry(index=index) for index in indices}
        self._queue = deque(self._entries.values())
        for index in skipped:
            self._entries[index] = _Entry(index=index, state=State.SKIPPED)
        self._max_open = max_concurrent
        self._n_open = 0
        self._n_left = len(self._queue)
        self._now_s = 0.0
        self._deadlines: list[tuple[float, int]] = []
        self._interrupts = 0
        self._ending: Why | None = None
        self._alike: Counter[str] = Counter()
        self._any_finished = False
        self._out: list[Instruction] = []

    @property
    def is_done(self) -> bool:
        """Whether every trial has come to its end."""
        return self._n_left == 0

    @property
    def wake_s(self) -> float | None:
        """When the ledger wants a `Tick` at the latest, in the events' time; None for never."""
        return self._deadlines[0][0] if self._deadlines else None

    def state(self, index: int) -> State:
        """Return where a trial is."""
        return self._entries[index].state

    def starting(self) -> list[Start]:
        """Return the attempts that have not begun."""
        return [_start(entry) for entry in self._entries.values() if entry.state is State.STARTING]

    def counts(self) -> dict[State, int]:
        """Return how many trials are in each state."""
        found = Counter(entry.state for entry in self._entries.values())
        return {state: found[state] for state in State if found[state]}

    def handle(self, event: Event, now_s: float) -> list[Instruction]:
        """Take one event and return what is to be done, in this order.

        Args:
            event: What happened; late and double ones change nothing.
            now_s: The time, in seconds; a time before that of an earlier event is taken as that.
        """
        self._now_s = max(self._now_s, now_s)
        self._out = []
        if isinstance(event, Interrupted):
            self._interrupt()
        elif isinstance(event, StoodStill):
            self._excuse(event.duration_s)
        elif isinstance(event, Pointless):
            self._abort(event.reason)
        elif not isinstance(event, Tick):
            entry = self._entries.get(event.index)
            if entry is not None and entry.attempt == event.attempt and entry.state in OPEN:
                self._hear(entry, event)
        self._meet_deadlines()
        self._fill()
        return self._out

    def _hear(
        self, entry: _Entry, event: Started | Reported | Finished | Failed | FellBehind | Stopped
    ) -> None:
        match event:
            case Started():
                self._begin(entry)
            case Reported():
                self._note_sign(entry)
            case Finished():
                self._close(entry, FINISHED, "")
            case Failed(failure=failure, error=error):
                entry.error = error or entry.error
                if entry.why is not None and failure is not Failure.DIVERGED:
                    self._end_stopped(entry, entry.why)
                else:
                    self._fail(entry, failure)
            case FellBehind() if entry.state is not State.STOPPING:
                self._stop(entry, "behind", at_once=False)
            case Stopped() if entry.why is not None:
                self._end_stopped(entry, entry.why)
            case FellBehind():
                pass  # it is told to stop already
            case Stopped():
                self._fail(entry, Failure.LOST)

    def _excuse(self, duration_s: float) -> None:
        """Don't count a time in which nobody listened as one in which nothing was said.

        A trial's own time goes on.
        """
        for entry in self._entries.values():
            if entry.state is State.RUNNING:
                entry.heard_s = min(entry.heard_s + duration_s, self._now_s)
            elif entry.state is State.STOPPING:
                entry.due_s = min(entry.due_s + duration_s, self._now_s + self._policy.stop_limit_s)

    def _note_sign(self, entry: _Entry) -> None:
        """Note a sign of life; after the first one the trial has less time."""
        self._begin(entry)
        is_first = not entry.has_reported
        entry.heard_s, entry.has_reported = self._now_s, True
        if is_first:
            self._watch(entry)

    def _begin(self, entry: _Entry) -> None:
        if entry.state is State.STARTING:
            entry.state = State.RUNNING
            entry.has_begun = True
            entry.started_s = entry.heard_s = self._now_s
            self._watch(entry)

    def _fail(self, entry: _Entry, failure: Failure) -> None:
        """Try the trial again, or close it."""
        used = entry.retries[failure]
        if used < self._policy.retries(failure) and self._ending is None:
            self._leave(entry)
            entry.due_s = self._now_s + self._policy.pause_s(entry.retries.total())
            entry.retries[failure] += 1
            entry.resume = failure in RESUMED
            entry.alone |= failure is Failure.MEMORY
            entry.state = State.RETRYING
            self._watch(entry)
            return
        if failure is Failure.DIVERGED:
            self._close(entry, DIVERGED, "the loss became NaN or infinite")
            return
        tried = f" after {used} {'retry' if used == 1 else 'retries'}" if used else ""
        self._close(entry, FAILED, f"{failure}{tried}", failure)
        if failure is not Failure.UNPLACED:  # which says nothing of the trial
            self._note_failure(f"{failure}: {likeness(entry.error)}")

    def _note_failure(self, likeness_: str) -> None:
        """End the sweep when the first trials have all failed alike."""
        self._alike[likeness_] += 1
        limit = self._policy.abort_after
        if self._any_finished or self._ending is not None or not limit or self.is_done:
            return
        if len(self._alike) == 1 and self._alike[likeness_] >= limit:
            self._abort(f"the first {limit} trials failed alike ({likeness_}); the sweep ends here")

    def _abort(self, reason: str) -> None:
        if self._ending is None and not self.is_done:
            self._out.append(Abort(reason=reason))
            self._end("abort")

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._end("interrupt")
            return
        for entry in self._entries.values():
            if entry.state in OPEN:
                self._order_stop(entry, entry.why or "interrupt", at_once=True)
                self._close_unfinished(entry, "interrupted at once")

    def _end(self, why: Why) -> None:
        """Begin nothing new, and end what is under way."""
        if self._ending is None:
            self._ending = why
            for entry in self._entries.values():
                self._end_one(entry, why)

    def _end_one(self, entry: _Entry, why: Why) -> None:
        if entry.state in (State.WAITING, State.RETRYING):
            self._close_unfinished(entry, REASON_OF[why])
        elif entry.state in (State.STARTING, State.RUNNING):
            self._stop(entry, why, at_once=False)
        elif entry.state is State.STOPPING and entry.why == "stalled":
            entry.why = why  # it would have been tried again

    def _stop(self, entry: _Entry, why: Why, *, at_once: bool) -> None:
        entry.why = why
        entry.state = State.STOPPING
        self._order_stop(entry, why, at_once=at_once)
        self._watch(entry)

    def _order_stop(self, entry: _Entry, why: Why, *, at_once: bool) -> None:
        entry.by_force = at_once
        entry.due_s = self._now_s + self._policy.stop_limit_s
        stop = Stop(index=entry.index, attempt=entry.attempt, why=why, at_once=at_once)
        self._out.append(stop)

    def _end_stopped(self, entry: _Entry, why: Why) -> None:
        """Go on with a trial whose attempt has ended because it was told to."""
        if why in _FAILURE_OF:
            entry.error = entry.error or REASON_OF[why]
            self._fail(entry, _FAILURE_OF[why])
        elif why == "behind":
            self._close(entry, STOPPED, REASON_OF[why])
        else:
            self._close_unfinished(entry, REASON_OF[why])

    def _close_unfinished(self, entry: _Entry, reason: str) -> None:
        """Close a trial that the sweep's end found on its way; it may never have begun."""
        self._close(entry, KILLED if entry.has_begun else SKIPPED, reason)

    def _close(
        self, entry: _Entry, status: str, reason: str, failure: Failure | None = None
    ) -> None:
        self._leave(entry)
        self._n_left -= 1
        entry.state = _STATE_OF[status]
        self._any_finished |= status in SUCCEEDED
        error = entry.error if status in (FAILED, DIVERGED) else ""
        close = Close(index=entry.index, status=status, reason=reason, error=error, failure=failure)
        self._out.append(close)

    def _leave(self, entry: _Entry) -> None:
        """Note that no attempt of this trial is under way any more."""
        if entry.state in OPEN:
            self._n_open -= 1
            if entry.state is not State.STARTING:
                entry.spent_s += self._now_s - entry.started_s
            entry.why = None

    def _deadline_s(self, entry: _Entry) -> float | None:
        """Return when something has to be done about a trial if nothing is heard of it."""
        if entry.state in (State.STOPPING, State.RETRYING):
            return entry.due_s
        if entry.state is not State.RUNNING:
            return None
        limits = [
            self._stall_limit_s(entry),
            self._timeout_s(entry),
        ]
        return min((limit for limit in limits if limit is not None), default=None)

    def _stall_limit_s(self, entry: _Entry) -> float | None:
        if self._policy.stall_s is None:
            return None
        start_s = 0.0 if entry.has_reported else self._policy.start_s
        return entry.heard_s + self._policy.stall_s + start_s

    def _timeout_s(self, entry: _Entry) -> float | None:
        if self._policy.max_seconds is None:
            return None
        return entry.started_s + max(0.0, self._policy.max_seconds - entry.spent_s)

    def _watch(self, entry: _Entry) -> None:
        deadline_s = self._deadline_s(entry)
        if deadline_s is not None:
            heapq.heappush(self._deadlines, (deadline_s, entry.index))

    def _meet_deadlines(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= self._now_s:
            _, index = heapq.heappop(self._deadlines)
            entry = self._entries[index]
            deadline_s = self._deadline_s(entry)
            if deadline_s is None:
                continue
            if deadline_s > self._now_s:  # it was heard of since
                heapq.heappush(self._deadlines, (deadline_s, index))
            else:
                self._act_on_deadline(entry)

    def _act_on_deadline(self, entry: _Entry) -> None:
        if entry.state is State.RETRYING:
            entry.state = State.WAITING
            self._queue.append(entry)
        elif entry.state is State.RUNNING:
            timeout_s = self._timeout_s(entry)
            is_timeout = timeout_s is not None and timeout_s <= self._now_s
            self._stop(entry, "timeout" if is_timeout else "stalled", at_once=not is_timeout)
        elif entry.why is not None and not entry.by_force:
            self._order_stop(entry, entry.why, at_once=True)
            self._watch(entry)
        elif entry.why is not None:
            self._end_stopped(entry, entry.why)

    def _fill(self) -> None:
        """Start what waits, as far as there is room."""
        while self._queue and (self._max_open is None or self._n_open < self._max_open):
            entry = self._queue.popleft()
            if entry.state is not State.WAITING:
                continue  # the sweep ended before it began
            self._n_open += 1
            entry.attempt += 1
            entry.state = State.STARTING
            entry.started_s = self._now_s
            entry.has_reported = False
            self._out.append(_start(entry))


def _start(entry: _Entry) -> Start:
    return Start(index=entry.index, attempt=entry.attempt, resume=entry.resume, alone=entry.alone)
