"""Stage: carries out the ledger's instructions by Ray Tune, and tells the ledger what Tune says.

An attempt at a trial is a trial of Tune's.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final

import ray
from ray.exceptions import RuntimeEnvSetupError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from akid.cluster import connection
from akid.cluster.resources import ClusterCapacity, ResourceRequest
from akid.tuning.attempt import config_of, need_of, place_of
from akid.tuning.elastic import Elastic
from akid.tuning.ending import Ending
from akid.tuning.execute import Row
from akid.tuning.failure import Failure, RetryPolicy, classify
from akid.tuning.halving import Halving
from akid.tuning.ledger import OPEN, REASON_OF, Ledger, State
from akid.tuning.listener import Listener
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
)
from akid.tuning.metric_check import MetricCheck
from akid.tuning.needs import Needs
from akid.tuning.orders import Orders
from akid.tuning.outcome import Outcome
from akid.tuning.results import FINISHED
from akid.tuning.stall import DRIVER_WAITS_S
from akid.tuning.trial import Trial
from akid.tuning.trial_folders import TrialFolders
from akid.tuning.waiting import LOOK_INTERVAL_S, GivenUp, Scene, Waiting
from akid.tuning.worker import STOPPED, TrialCrash

_LOST: Final = (
    "its process ended without a Python error: too little memory, a crash in native code and a call"
    " of os._exit do that; what it printed is in output.log."
)
_NO_FOLDER: Final = (
    "its folder: expected one that can be renamed and written, got: {error}. Let this user do that,"
    " or give another --work-dir."
)
_NOT_UP: Final = "its process did not come up: {why}. Each machine has to have what a trial needs."
_LINES: Final = 10  # of what was said when a process did not come up
_MEMORY: Final = "its process was ended by Ray, because the machine's memory did not suffice."
_STALLED: Final = f"stalled, it {REASON_OF['stalled']}"
_NOTHING: Final = ClusterCapacity(nodes=())

AT_HAND: Final = 8
"""How many attempts Tune has at hand for free processes; more would only load the scheduler."""


class Stage:
    """Carries out the ledger's instructions, and tells it what Tune says."""

    def __init__(
        self,
        trials: Sequence[Trial],
        listener: Listener,
        folders: TrialFolders,
        *,
        halving: Halving | None,
        metric_check: MetricCheck,
        needs: Needs,
        orders: Orders,
        ending: Ending,
        policy: RetryPolicy,
        max_concurrent: int | None,
    ) -> None:
        self._halving = halving
        self._metric_check = metric_check
        self._trials = trials
        self._needs = needs
        self._waiting = Waiting(policy.wait_s)
        self._look_s = 0.0
        self._controller: Any = None
        self._orders = orders
        self._ending = ending
        self._wishes = 0
        self._listener = listener
        self._folders = folders
        self._ledger = Ledger(
            range(len(trials)), policy=_later(policy), max_concurrent=max_concurrent
        )
        self._unheard: deque[Event] = deque()
        self._listened_s = time.monotonic()
        self._due: deque[Start] = deque()
        self._elastic = Elastic()
        self._attempts: dict[int, TuneTrial] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._errors: dict[tuple[int, int], Exception] = {}
        self._stopping: set[tuple[int, int]] = set()
        self._ended: set[tuple[int, int]] = set()
        self._dropped: set[tuple[int, int]] = set()
        self._is_aborted = False
        self.tell(Tick())

    def __reduce__(self) -> tuple[Any, ...]:
        """Stay out of what Tune saves for a restore that akid never makes."""
        return (object, ())

    def tell(self, event: Event) -> None:
        """Tell the ledger, and do what it says."""
        self._unheard.append(event)
        while self._unheard:
            self._listen()
            for instruction in self._ledger.handle(self._unheard.popleft(), self._listened_s):
                self._carry_out(instruction)

    def _listen(self) -> None:
        """Note the time; if the driver has stood still, that is heard of before all else.

        Ctrl-Z, a file system that hangs and a machine without a free core do that. Tune hears one
        result a turn: what trials said meanwhile comes after the next event.
        """
        now_s = time.monotonic()
        stood_s, self._listened_s = now_s - self._listened_s, now_s
        if stood_s > DRIVER_WAITS_S:
            self._unheard.appendleft(StoodStill(duration_s=stood_s))
            self._waiting.stand_still(stood_s)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, though Tune may still hold attempts."""
        return self._ledger.is_done

    def tick(self) -> None:
        """Give the ledger the time, when it wants it, and the user's wish to end."""
        while self._wishes < self._ending.wishes():
            self._wishes += 1
            if self._wishes == 1:
                self._listener.on_abort(self._ending.announcement())
            self.tell(Interrupted())
        self._listen()
        now_s, wake_s = self._listened_s, self._ledger.wake_s
        if wake_s is not None and wake_s <= now_s:
            self.tell(Tick())
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_INTERVAL_S
            self._look(now_s)

    def know(self, controller: Any) -> None:
        """Take note of what carries the attempts out."""
        self._controller = controller

    def _look(self, now_s: float) -> None:
        """See what is waited for, tell it once, and give up what has been waited for too long."""
        waiting = self._ledger.starting()
        needs = {start.index: self._needs.of(start.index, alone=start.alone) for start in waiting}
        n_running = self._ledger.counts().get(State.RUNNING, 0)
        scene = Scene(
            needs=list(dict.fromkeys(needs.values())),
            all_=connection.capacity() if waiting else _NOTHING,
            free=connection.free() if waiting and not n_running else _NOTHING,
            n_running=n_running,
            n_starting=self._n_processes(),
        )
        before = self._waiting.text
        for given_up in self._waiting.judge(scene, now_s):
            self._give_up(given_up, {s.index: s.attempt for s in waiting}, needs)
        if self._waiting.text != before:
            self._listener.on_wait(self._waiting.text)

    def _give_up(
        self,
        given_up: GivenUp,
        attempts: Mapping[int, int],
        needs: Mapping[int, ResourceRequest],
    ) -> None:
        for index, number in attempts.items():
            if given_up.need is None or needs[index] == given_up.need:
                self._drop(index, number)
                self._fail(index, number, Failure.UNPLACED, given_up.error)

    def _n_processes(self) -> int:
        """Return how many processes have their resources, whether they are up or not."""
        manager = self._actor_manager()
        return 0 if manager is None else int(manager.num_live_actors)

    def _actor_manager(self) -> Any:
        """Return what starts and ends Tune's actors; None before the first attempt."""
        return getattr(self._controller, "_actor_manager", None)

    def next_attempt(self) -> dict[str, Any] | str | None:
        """Return the next attempt as Tune's config; None if none is due, or that none comes."""
        self.tick()  # Tune asks, and does nothing else, while nothing runs
        now_s = time.monotonic()
        sized = cache(partial(self._sized, now_s))
        while self._due and self._is_dropped(self._due[0]):
            self._due.popleft()
        for start in self._due:
            if self._is_dropped(start):
                continue
            need = sized(self._needs.of(start.index, alone=start.alone))
            if need is not None:
                self._due.remove(start)
                return self._handed_out(start, need, now_s)
        if self._ledger.is_done:
            return str(Searcher.FINISHED)
        if not self._n_running() and not self._n_handed_out():
            self._let_tune_hear()
        return None

    def next_to_run(self) -> TuneTrial | None:
        """Return the first of the attempts at hand that no process is on its way for.

        Tune gives it a process that has become free. An attempt whose own process is just starting
        keeps it: Tune would end that one, and where trials are short none would ever come up. For
        each of those Tune has an attempt more at hand, so that a free process finds one.
        """
        manager = self._actor_manager()
        if manager is None:
            return None
        pending, actors = self._controller._pending_trials, self._controller._trial_to_actor  # noqa: SLF001
        asked = {None, *manager.pending_actors}  # those that wait for room
        waiting = [attempt for attempt in pending if actors.get(attempt) in asked]
        self._controller.update_max_pending_trials(AT_HAND + len(pending) - len(waiting))
        return min(waiting, key=place_of, default=None)

    def _is_dropped(self, start: Start) -> bool:
        return (start.index, start.attempt) in self._dropped

    def _sized(self, now_s: float, need: ResourceRequest) -> ResourceRequest | None:
        """Return a need with its number of workers; None while that can't be said."""
        if not need.most_workers:
            return need
        return self._elastic.sized(
            need,
            connection.free(),
            connection.capacity(),
            now_s,
            n_running=self._n_running(),
            n_starting=self._n_handed_out(),
        )

    def _n_running(self) -> int:
        counts = self._ledger.counts()
        return counts.get(State.RUNNING, 0) + counts.get(State.STOPPING, 0)

    def _n_handed_out(self) -> int:
        """Return how many attempts Tune has that do not run yet."""
        waiting = sum(not self._is_dropped(start) for start in self._due)
        return self._ledger.counts().get(State.STARTING, 0) - waiting

    def _let_tune_hear(self) -> None:
        """Let Tune hear of processes that have ended, and give back what they held.

        While it has no attempt it only asks for one, and does nothing else.
        """
        manager = self._actor_manager()
        while manager is not None and manager.next(timeout=0.1):
            pass

    def _handed_out(
        self, start: Start, need: ResourceRequest, now_s: float
    ) -> dict[str, Any] | None:
        """Return an attempt as Tune's config; None where its folder can't be brought into order."""
        try:
            sources = self._folders.prepare(start)
        except OSError as error:
            self._fail(start.index, start.attempt, Failure.LOST, _NO_FOLDER.format(error=error))
            return None
        self._elastic.hand_out(now_s)
        name = self._trials[start.index].slug
        return config_of(start.index, start.attempt, name=name, need=need, sources=sources)

    def begin(self, attempt: TuneTrial) -> None:
        """Note that an attempt has its actor."""
        index, number = place_of(attempt)
        if (index, number) in self._dropped:
            _kill(attempt)
            return
        self._attempts[index] = attempt
        self._listener.on_start(index)
        self.tell(Started(index=index, attempt=number))

    def hear(self, attempt: TuneTrial, result: dict[str, Any]) -> None:
        """Note what an attempt reported."""
        index, number = place_of(attempt)
        if "place" in result:
            self._listener.on_place(index, result["place"])
        for note in result.get("notes", ()):
            self._listener.on_note(index, note)
        if result["rows"]:
            self._listener.on_rows(index, result["rows"])
            self.tell(Reported(index=index, attempt=number))
            fault = self._metric_check.fault(result["rows"])
            if fault is not None:
                self.tell(Pointless(reason=f"{fault} The sweep ends here."))
        if "outcome" in result or "crash" in result:
            self._ended.add((index, number))
            self._end_one(attempt, is_kept=bool(result.get("done")))
        if self._falls_behind(index, result["rows"]) and (index, number) not in self._ended:
            self.tell(FellBehind(index=index, attempt=number))
        if "outcome" in result:
            self._outcomes[index] = result["outcome"]
            self.tell(Finished(index=index, attempt=number))
        if "crash" in result:
            crash: TrialCrash = result["crash"]
            if crash.kind == STOPPED:
                self._tell_stopped(index, number)
                return
            error = crash.traceback_text or crash.message
            self._fail(index, number, Failure(crash.kind), error)

    def hear_of_error(self, actor: Any, error: Exception) -> None:
        """Note why an actor's work failed; `lose` comes after it."""
        attempt = self._controller._actor_to_trial.get(actor)  # noqa: SLF001 (Tune tells it nowhere else)
        if attempt is not None:
            self._errors[place_of(attempt)] = error

    def lose(self, attempt: TuneTrial) -> None:
        """Note that an attempt's process is gone; one that could speak has told of its end."""
        index, number = place_of(attempt)
        error = self._errors.pop((index, number), None)
        if (index, number) in self._ended:
            return
        self._end_one(attempt, is_kept=False)
        if (index, number) in self._stopping:
            self._tell_stopped(index, number)
            return
        if classify(error) is Failure.MEMORY:
            self._fail(index, number, Failure.MEMORY, f"{error}\n{_MEMORY}")
        else:
            self._fail(index, number, Failure.LOST, _why_lost(error))

    def _end_one(self, attempt: TuneTrial, *, is_kept: bool) -> None:
        self._elastic.end(need_of(attempt), time.monotonic(), is_kept=is_kept)

    def close(self) -> bool:
        """End what is left after Tune's end; return whether nothing was."""
        if self._ledger.is_done:
            return self._wishes == 0
        if not self._is_aborted:
            self.tell(Interrupted())
        for index, attempt in list(self._attempts.items()):
            if self._ledger.state(index) in OPEN:
                self.tell(Stopped(index=index, attempt=place_of(attempt)[1]))
        if not self._ledger.is_done:
            self.tell(Interrupted())
        return self._is_aborted

    def _falls_behind(self, index: int, rows: Sequence[Row]) -> bool:
        return self._halving is not None and self._halving.hear(self._trials[index].key, rows)

    def _fail(self, index: int, number: int, failure: Failure, error: str) -> None:
        self.tell(Failed(index=index, attempt=number, failure=failure, error=error))
        if not self._ledger.is_done and self._ledger.state(index) == "retrying":
            self._listener.on_retry(index, f"{failure}, {error.strip().splitlines()[-1]}")

    def _tell_stopped(self, index: int, number: int) -> None:
        before = self._ledger.state(index)
        self.tell(Stopped(index=index, attempt=number))
        if before is State.STOPPING and self._ledger.state(index) is State.RETRYING:
            self._listener.on_retry(index, _STALLED)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Start():
                self._due.append(instruction)
            case Stop(index=index, attempt=number, at_once=at_once):
                self._stop(index, number, at_once=at_once)
            case Close(index=index, status=status) if status == FINISHED:
                self._listener.on_finish(index, self._outcomes.pop(index))
            case Close():
                self._listener.on_end(instruction)
            case Abort(reason=reason):
                self._is_aborted = True
                self._listener.on_abort(reason)

    def _stop(self, index: int, number: int, *, at_once: bool) -> None:
        """End an attempt; its last checkpoint is what a later one goes on from."""
        self._stopping.add((index, number))
        attempt = self._attempts.get(index)
        if attempt is None or place_of(attempt) != (index, number):  # it still waits for resources
            self._drop(index, number)
            self._unheard.append(Stopped(index=index, attempt=number))
        elif at_once:
            _kill(attempt)
        else:
            self._order(attempt)

    def _order(self, attempt: TuneTrial) -> None:
        """Tell an attempt to end; one that can't be told loses what is later than a checkpoint."""
        try:
            self._orders.give(*place_of(attempt))
        except OSError as error:
            note = f"it is ended by force, because it can't be told to end: {error}"
            self._listener.on_note(place_of(attempt)[0], note)
            _kill(attempt)

    def _drop(self, index: int, number: int) -> None:
        """Forget an attempt that has not begun; if Tune begins it all the same, it is ended."""
        self._stopping.add((index, number))
        self._dropped.add((index, number))


def _why_lost(error: Exception | None) -> str:
    """Return why an attempt's process is no more, as far as it is known."""
    is_begin = isinstance(error, RuntimeEnvSetupError) or getattr(error, "actor_init_failed", False)
    lines = str(error).strip().splitlines()
    if not is_begin or not lines:
        return _LOST  # what Ray says of a process that was up is advice of any kind
    why = lines[-1].strip().rstrip(".")
    return "\n".join([*lines[-_LINES:], _NOT_UP.format(why=why)])


def _later(policy: RetryPolicy) -> RetryPolicy:
    """Return the policy of a driver that lets a stalled process write its stacks first."""
    return (
        policy
        if policy.stall_s is None
        else replace(policy, stall_s=policy.stall_s + DRIVER_WAITS_S)
    )


def _kill(attempt: TuneTrial) -> None:
    actor = attempt.temporary_state.ray_actor
    if actor is not None:
        ray.kill(actor)
