"""Run: one Ray Tune `Tuner` carries out what the ledger asks for (Ray documentation, "Ray Tune").

Tune decides when there is room for an attempt, starts and reuses actors, and says what happens; the
ledger decides what is tried, tried again, stopped and given up. An attempt is a trial of Tune's.
"""

import logging
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from akid.cluster import connection
from akid.cluster.resources import ClusterCapacity, ResourceRequest
from akid.tuning.ending import Ending
from akid.tuning.execute import Row
from akid.tuning.failure import Failure, RetryPolicy, class_names, classify
from akid.tuning.halving import Halving
from akid.tuning.ledger import OPEN, Ledger, State
from akid.tuning.memory_kill import taken_for_an_actors_death
from akid.tuning.messages import (
    Abort,
    Close,
    Event,
    Failed,
    FellBehind,
    Finished,
    Instruction,
    Interrupted,
    Reported,
    Start,
    Started,
    Stop,
    Stopped,
    Tick,
)
from akid.tuning.orders import StopOrders
from akid.tuning.results import FINISHED
from akid.tuning.stall import DRIVER_WAITS_S
from akid.tuning.trial import Trial
from akid.tuning.trial_folders import TrialFolders
from akid.tuning.waiting import LOOK_INTERVAL_S, GivenUp, Scene, Waiting
from akid.tuning.worker import (
    ATTEMPT,
    RESUMES,
    STOPPED,
    TRIAL_INDEX,
    Outcome,
    TrialCrash,
    TrialWorker,
)

_TUNE_FOLDER: Final = ".tune"
_ALONE: Final = "akid_alone"
_LOST: Final = (
    "its process ended without a Python error: too little memory, a crash in native code and a call"
    " of os._exit do that; what it printed is in output.log."
)
_MEMORY: Final = "its process was ended by Ray, because the machine's memory did not suffice."
_ENDS: Final = "the sweep ends: running trials write a checkpoint; Ctrl-C again ends them at once"
_STALLED: Final = "stalled, it reported nothing for too long; its stacks are in output.log"
_NOTHING: Final = ClusterCapacity(nodes=())
_QUIET_LOGGERS: Final = ("ray.tune", "ray.train", "ray.air")


class Listener(Protocol):
    """Who hears what happens; `position` is the trial's place in the list that is run."""

    def on_start(self, position: int) -> None:
        """A trial begins, or begins again."""

    def on_rows(self, position: int, rows: Sequence[Row]) -> None:
        """A trial recorded rows; after a retry some may be those that were told before."""

    def on_place(self, position: int, tags: Mapping[str, str]) -> None:
        """An attempt says where it runs, as tags."""

    def on_note(self, position: int, note: str) -> None:
        """An attempt says what is amiss and does not end it."""

    def on_retry(self, position: int, reason: str) -> None:
        """An attempt failed, and the trial is tried again."""

    def on_finish(self, position: int, outcome: Outcome) -> None:
        """A trial finished."""

    def on_end(self, position: int, status: str, reason: str, error: str) -> None:
        """A trial ended otherwise."""

    def on_abort(self, reason: str) -> None:
        """The sweep ends early."""

    def on_wait(self, what: str) -> None:
        """Nothing begins, because of this; empty when that is over."""


def run_trials(
    trials: Sequence[Trial],
    listener: Listener,
    *,
    name: str,
    folder: Path,
    capacity: ClusterCapacity,
    policy: RetryPolicy | None = None,
    max_concurrent: int | None = None,
    left_in: Mapping[int, Path] | None = None,
    halving: Halving | None = None,
    ending: Ending | None = None,
) -> bool:
    """Practise all `trials` on the cluster that this process is connected to.

    Args:
        trials: What to run.
        listener: Hears all that happens, in this thread; each trial's end is told once.
        name: The sweep's name, as the dashboard shows it.
        folder: Where logs and checkpoints go, a subfolder for each trial; all machines must see it.
        capacity: What the cluster has; a trial that ran out of memory is tried on a whole machine.
        policy: Retries and limits.
        max_concurrent: At most so many trials at once; None for as many as there is room for.
        left_in: The folders in which an earlier sweep left trials that go on, by position.
        halving: Says which trials fall behind; they are stopped. None lets all practise.
        ending: The signals that end the sweep; None where nobody hears them.

    Returns:
        Whether all trials came to their end; False after a Ctrl-C.
    """
    for logger in _QUIET_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    folder = folder.resolve()
    shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)  # of a sweep that was killed
    folders = TrialFolders(folder, trials, left_in or {})
    orders = folder / _TUNE_FOLDER / name / "orders"
    needs = _Needs(trials, capacity)
    stage = _Stage(
        trials,
        listener,
        folders,
        halving=halving,
        needs=needs,
        orders=StopOrders(orders),
        ending=ending or Ending(),
        policy=policy or RetryPolicy(),
        max_concurrent=max_concurrent,
    )
    worker = tune.with_parameters(
        TrialWorker,
        trials=tuple(trials),
        folder=str(folder),
        orders=str(orders),
        stall_s=policy.stall_s if policy is not None else None,
    )
    worker = tune.with_resources(worker, needs.placement)
    try:
        with taken_for_an_actors_death():
            _tuner(stage, worker, trials, name=name, folder=folder).fit()
    except KeyboardInterrupt:
        stage.tell(Interrupted())
    finally:
        is_complete = stage.close()
        shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)
    return is_complete


def _tuner(
    stage: "_Stage", worker: Any, trials: Sequence[Trial], *, name: str, folder: Path
) -> tune.Tuner:
    return tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=_Attempts(stage),
            scheduler=_Order(stage),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_named(trials),
            trial_dirname_creator=_named(trials),
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder / _TUNE_FOLDER),
            verbose=0,
            stop=_EndStopper(stage),
            callbacks=[_Ear(stage)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


class _Stage:
    """Carries out the ledger's instructions, and tells it what Tune says."""

    def __init__(
        self,
        trials: Sequence[Trial],
        listener: Listener,
        folders: TrialFolders,
        *,
        halving: Halving | None,
        needs: "_Needs",
        orders: StopOrders,
        ending: Ending,
        policy: RetryPolicy,
        max_concurrent: int | None,
    ) -> None:
        self._halving = halving
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
        self._due: deque[Start] = deque()
        self._attempts: dict[int, TuneTrial] = {}
        self._outcomes: dict[int, Outcome] = {}
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
            for instruction in self._ledger.handle(self._unheard.popleft(), time.monotonic()):
                self._carry_out(instruction)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, though Tune may still hold attempts."""
        return self._ledger.is_done

    def tick(self) -> None:
        """Give the ledger the time, when it wants it, and the user's wish to end."""
        while self._wishes < self._ending.wishes():
            self._wishes += 1
            if self._wishes == 1:
                self._listener.on_abort(_ENDS)
            self.tell(Interrupted())
        now_s = time.monotonic()
        wake_s = self._ledger.wake_s
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
        manager = getattr(self._controller, "_actor_manager", None)
        return 0 if manager is None else int(manager.num_live_actors)

    def next_attempt(self) -> dict[str, Any] | str | None:
        """Return the next attempt as Tune's config; None if none is due, or that none comes."""
        self.tick()  # Tune asks, and does nothing else, while nothing runs
        if self._due:
            start = self._due.popleft()
            return {
                TRIAL_INDEX: start.index,
                ATTEMPT: start.attempt,
                _ALONE: start.alone,
                RESUMES: self._folders.prepare(start),
            }
        return Searcher.FINISHED if self._ledger.is_done else None

    def begin(self, attempt: TuneTrial) -> None:
        """Note that an attempt has its actor."""
        index, number = _place(attempt)
        if (index, number) in self._dropped:
            _kill(attempt)
            return
        self._attempts[index] = attempt
        self._listener.on_start(index)
        self.tell(Started(index=index, attempt=number))

    def hear(self, attempt: TuneTrial, result: dict[str, Any]) -> None:
        """Note what an attempt reported."""
        index, number = _place(attempt)
        if "place" in result:
            self._listener.on_place(index, result["place"])
        for note in result.get("notes", ()):
            self._listener.on_note(index, note)
        if result["rows"]:
            self._listener.on_rows(index, result["rows"])
            self.tell(Reported(index=index, attempt=number))
        if "outcome" in result or "crash" in result:
            self._ended.add((index, number))
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

    def lose(self, attempt: TuneTrial) -> None:
        """Note that an attempt's process is gone; one that could speak has told of its end."""
        index, number = _place(attempt)
        if (index, number) in self._ended:
            return
        if (index, number) in self._stopping:
            self._tell_stopped(index, number)
            return
        error = attempt.get_pickled_error()
        known = str(error).strip() if error is not None else ""
        if classify(class_names(error)) is Failure.MEMORY:
            self._fail(index, number, Failure.MEMORY, f"{_MEMORY}\n{known}")
        else:
            self._fail(index, number, Failure.LOST, "\n".join([_LOST, *known.splitlines()[-1:]]))

    def close(self) -> bool:
        """End what is left after Tune's end; return whether nothing was."""
        if self._ledger.is_done:
            return self._wishes == 0
        if not self._is_aborted:
            self.tell(Interrupted())
        for index, attempt in list(self._attempts.items()):
            if self._ledger.state(index) in OPEN:
                self.tell(Stopped(index=index, attempt=_place(attempt)[1]))
        if not self._ledger.is_done:
            self.tell(Interrupted())
        return self._is_aborted

    def _falls_behind(self, index: int, rows: Sequence[Row]) -> bool:
        return self._halving is not None and self._halving.hear(self._trials[index].key, rows)

    def _fail(self, index: int, number: int, failure: Failure, error: str) -> None:
        self.tell(Failed(index=index, attempt=number, failure=failure, error=error))
        if not self._ledger.is_done and self._ledger.state(index) == "retrying":
            lines = error.strip().splitlines()
            said = lines[0] if failure is Failure.LOST or lines[0] == _MEMORY else lines[-1]
            self._listener.on_retry(index, f"{failure}, {said}")

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
            case Close(index=index, status=status, reason=reason, error=error):
                self._listener.on_end(index, status, reason, error)
            case Abort(reason=reason):
                self._is_aborted = True
                self._listener.on_abort(reason)

    def _stop(self, index: int, number: int, *, at_once: bool) -> None:
        """End an attempt; its last checkpoint is what a later one goes on from."""
        self._stopping.add((index, number))
        attempt = self._attempts.get(index)
        if attempt is None or _place(attempt) != (index, number):  # it still waits for resources
            self._drop(index, number)
            self._unheard.append(Stopped(index=index, attempt=number))
        elif at_once:
            _kill(attempt)
        else:
            self._orders.give(index, number)

    def _drop(self, index: int, number: int) -> None:
        """Forget an attempt that has not begun; if Tune begins it all the same, it is ended."""
        self._due = deque(start for start in self._due if start.index != index)
        self._stopping.add((index, number))
        self._dropped.add((index, number))


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


class _Needs:
    """What each trial needs: a whole GPU or machine where memory did not suffice."""

    def __init__(self, trials: Sequence[Trial], capacity: ClusterCapacity) -> None:
        self._trials = trials
        self._capacity = capacity

    def of(self, index: int, *, alone: bool) -> ResourceRequest:
        request = self._trials[index].request
        return self._capacity.alone(request) if alone else request

    def placement(self, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what an attempt needs, as Tune takes it."""
        request = self.of(config[TRIAL_INDEX], alone=config[_ALONE])
        return tune.PlacementGroupFactory(request.bundles, strategy="PACK")


def _named(trials: Sequence[Trial]) -> Callable[[TuneTrial], str]:
    """Return what names an attempt, for Tune's files and the dashboard."""

    def name(attempt: TuneTrial) -> str:
        index, number = _place(attempt)
        retry = f"_attempt{number}" if number > 1 else ""
        return f"{trials[index].slug}{retry}"

    return name


class _Attempts(Searcher):  # type: ignore[misc]  # Ray has no types
    """Hands the ledger's attempts to Tune."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__()
        self._stage = stage

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # noqa: ARG002 (Tune's name)
        return self._stage.next_attempt()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: `_Ear` has told of it."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: akid never restores a `Tuner`."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""


class _Order(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Starts what waits in its order."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__()
        self._stage = stage

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._stage.know(tune_controller)
        super().on_trial_add(tune_controller, trial)


class _EndStopper(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends what Tune still holds when every trial has come to its end."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    def __call__(self, *_: Any) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stage.is_over


class _Ear(Callback):  # type: ignore[misc]  # Ray has no types
    """Passes Tune's events on to the stage."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    def on_step_begin(self, **_: Any) -> None:
        self._stage.tick()

    def on_trial_start(self, *, trial: TuneTrial, **_: Any) -> None:
        self._stage.begin(trial)

    def on_trial_result(self, *, trial: TuneTrial, result: dict[str, Any], **_: Any) -> None:
        self._stage.hear(trial, result)

    def on_trial_error(self, *, trial: TuneTrial, **_: Any) -> None:
        self._stage.lose(trial)


def _place(attempt: TuneTrial) -> tuple[int, int]:
    """Return the trial's position and the number of the attempt."""
    return attempt.config[TRIAL_INDEX], attempt.config[ATTEMPT]
