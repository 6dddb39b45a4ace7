"""Lock: of all sweeps of an experiment one trains at a time, so that no trial runs twice.

It is Lamport's bakery ("A new solution of Dijkstra's concurrent programming problem", 1974) on what
every store of runs can do: the sweeps' own runs are the registers. A sweep opens its run as one
that is choosing, draws a ticket above all that it sees, and waits for those who choose and those
with lower tickets. No clock is compared with another: that a sweep on another machine is dead shows
by its heartbeat, a number that stands still for too long by the clock of the one who waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, final

from akid.errors import TrackingError
from akid.tuning.owner import Owner
from akid.tuning.results import KILLED
from akid.tuning.tracking import OpenRun, Tracker

logger = logging.getLogger(__name__)

_TICKET: Final = "akid.lock_ticket"
_BEAT: Final = "akid.lock_beat"
_CHOOSING: Final = "choosing"
_CLAIM: Final[Mapping[str, str]] = {_TICKET: _CHOOSING, _BEAT: "0"}


@dataclass(frozen=True, kw_only=True, slots=True)
class LockTiming:
    """How long what takes.

    Attributes:
        look_s: Between two looks of a sweep that waits.
        beat_s: Between two heartbeats.
        patience_s: How long a heartbeat may stand still before its sweep is taken for dead.
        say_s: Between two messages of a sweep that waits.
    """

    look_s: float = 1.0
    beat_s: float = 10.0
    patience_s: float = 60.0
    say_s: float = 300.0


@final
class SweepLock:
    """The right to train an experiment's trials, held inside of a `with` block.

    Entering opens the sweep's run, waits for the sweeps that came before, and says for whom. A
    sweep that died is not waited for: its run is closed as KILLED. A sweep that lost the lock,
    because it could not reach the store for so long that another one took it for dead, is told by
    `on_lost`. The heart beats until the block is left, so that the store can be told all; who
    closes the run in it calls `hand_on` before. A run that was not handed on has trained nothing,
    and is deleted.

    Args:
        tracker: The store.
        name: The sweep's name.
        tags: What is said of the sweep; they name its process.
        on_lost: Called in another thread, with the reason.
        timing: How long what takes.

    Attributes:
        name: The sweep's name.
        run_id: The sweep's run.

    Raises:
        TrackingError: On entering, if the store can't be used.
    """

    def __init__(
        self,
        tracker: Tracker,
        name: str,
        *,
        tags: Mapping[str, str],
        on_lost: Callable[[str], None],
        timing: LockTiming | None = None,
    ) -> None:
        self._tracker = tracker
        self.name = name
        self._tags = {**tags, **_CLAIM}
        self._is_handed_on = False
        self._on_lost = on_lost
        self._timing = timing or LockTiming()
        self._pulses = _Pulses(self._timing.patience_s)
        self._unseen_s: float | None = None
        self._has_ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="akid lock", daemon=True)

    def __enter__(self) -> Self:
        self.run_id = self._tracker.start_sweep(self.name, tags=self._tags)
        self._heart.start()
        try:
            self._draw_ticket()
            self._wait_for_turn()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_handed_on:
            self.release()
        else:
            self._leave()

    def hand_on(self) -> None:
        """Let the caller close the sweep's run; others go on as soon as the store has that."""
        self._is_handed_on = True

    def release(self) -> None:
        """Stop the heartbeat, when the store has been told all."""
        self._has_ended.set()
        self._heart.join()

    def _leave(self) -> None:
        self.release()
        try:
            self._tracker.delete_run(self.run_id)
        except TrackingError as error:
            logger.warning("the run of a sweep that trained nothing is left: %s", error)

    def _draw_ticket(self) -> None:
        tickets = [_ticket(run) for run in self._others()]
        highest = max((ticket for ticket in tickets if ticket is not None), default=0)
        self._ticket = highest + 1
        self._tracker.set_tags(self.run_id, {_TICKET: str(self._ticket)})

    def _wait_for_turn(self) -> None:
        said_s: float | None = None
        while (ahead := self._look()) is not None:
            now_s = time.monotonic()
            if said_s is None or now_s - said_s >= self._timing.say_s:
                logger.warning("waits for %s; what is missing after that runs then", ahead)
                said_s = now_s
            time.sleep(self._timing.look_s)

    def _look(self) -> str | None:
        """Return what has to be waited for; a store that is out of reach for a while is, too."""
        try:
            ahead = self._ahead()
        except TrackingError as error:
            self._pulses.pause()
            now_s = time.monotonic()
            self._unseen_s = self._unseen_s or now_s
            if now_s - self._unseen_s >= self._timing.patience_s:
                raise
            return f"the tracking store ({error})"
        self._unseen_s = None
        return None if ahead is None else _named(ahead)

    def _ahead(self) -> OpenRun | None:
        """Return a living sweep whose turn comes before this one's, if there is one."""
        living = []
        for run in self._others():
            if self._pulses.is_alive(run):
                living.append(run)
            else:
                logger.warning("takes over from %s, which has died", _named(run))
                self._tracker.end_sweep(run.run_id, status=KILLED, summary={}, ended_s=time.time())
        mine = (self._ticket, self.run_id)
        turns = [(_ticket(run), run) for run in living]
        ahead = [run for ticket, run in turns if ticket is None or (ticket, run.run_id) < mine]
        return ahead[0] if ahead else None

    def _others(self) -> list[OpenRun]:
        """Return the other sweeps' runs that are open and know of the lock."""
        runs = self._tracker.open_runs()
        return [run for run in runs if _TICKET in run.tags and run.run_id != self.run_id]

    def _beat(self) -> None:
        count = 0
        while not self._has_ended.wait(self._timing.beat_s):
            count += 1
            try:
                self._tracker.set_tags(self.run_id, {_BEAT: str(count)})
                is_held = any(run.run_id == self.run_id for run in self._tracker.open_runs())
            except TrackingError as error:
                logger.debug("no heartbeat: %s", error)
                continue
            if not is_held and not self._is_handed_on:
                self._on_lost("another sweep of this experiment took this one for dead")
                return


class _Pulses:
    """Tells the living from the dead, as far as that can be known from here."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._last: dict[str, tuple[str, float]] = {}

    def pause(self) -> None:
        """Begin to count anew: while this sweep could not read, others could not write."""
        self._last.clear()

    def is_alive(self, run: OpenRun) -> bool:
        owner = Owner.of(run.tags)
        known = owner.is_alive() if owner is not None else None
        if known is not None:
            return known
        beat, now_s = run.tags.get(_BEAT, ""), time.monotonic()
        last, since_s = self._last.setdefault(run.run_id, (beat, now_s))
        if beat != last:
            self._last[run.run_id] = beat, now_s
            return True
        return now_s - since_s < self._patience_s


def _ticket(run: OpenRun) -> int | None:
    """Return a run's ticket; None while it chooses."""
    text = run.tags[_TICKET]
    return int(text) if text.isdigit() else None


def _named(run: OpenRun) -> str:
    name = run.tags.get("mlflow.runName", run.run_id)
    owner = Owner.of(run.tags)
    return f"the sweep {name!r}" + (f" ({owner})" if owner is not None else "")
