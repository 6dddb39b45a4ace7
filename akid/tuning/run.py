"""Run: one Ray Tune `Tuner` carries out what the ledger asks for (Ray documentation, "Ray Tune").

Tune decides when there is room for an attempt, starts and reuses actors, and says what happens; the
ledger decides what is tried, tried again, stopped and given up. An attempt is a trial of Tune's.
"""

import logging
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from akid.cluster.resources import ClusterCapacity
from akid.tuning.execute import Row
from akid.tuning.failure import Failure, RetryPolicy
from akid.tuning.halving import Halving
from akid.tuning.ledger import OPEN, Ledger
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
from akid.tuning.results import FINISHED
from akid.tuning.trial import Trial
from akid.tuning.trial_folders import TrialFolders
from akid.tuning.worker import RESUMES, TRIAL_INDEX, Outcome, TrialCrash, TrialWorker

_TUNE_FOLDER: Final = ".tune"
_ATTEMPT: Final = "akid_attempt"
_ALONE: Final = "akid_alone"
_LOST: Final = (
    "its process ended without a Python error: too little memory, a crash in native code and a call"
    " of os._exit do that; what it printed is in output.log."
)
_QUIET_LOGGERS: Final = ("ray.tune", "ray.train", "ray.air")


class Listener(Protocol):
    """Who hears what happens; `position` is the trial's place in the list that is run."""

    def on_start(self, position: int) -> None:
        """A trial begins, or begins again."""

    def on_rows(self, position: int, rows: Sequence[Row]) -> None:
        """A trial recorded rows; after a retry some may be those that were told before."""

    def on_place(self, position: int, tags: Mapping[str, str]) -> None:
        """An attempt says where it runs, as tags."""

    def on_retry(self, position: int, reason: str) -> None:
        """An attempt failed, and the trial is tried again."""

    def on_finish(self, position: int, outcome: Outcome) -> None:
        """A trial finished."""

    def on_end(self, position: int, status: str, reason: str, error: str) -> None:
        """A trial ended otherwise."""

    def on_abort(self, reason: str) -> None:
        """The sweep ends early."""


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

    Returns:
        Whether all trials came to their end; False after a Ctrl-C.
    """
    for logger in _QUIET_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    folder = folder.resolve()
    shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)  # of a sweep that was killed
    folders = TrialFolders(folder, trials, left_in or {})
    stage = _Stage(
        trials,
        listener,
        folders,
        halving=halving,
        policy=policy,
        max_concurrent=max_concurrent,
    )
    try:
        _tuner(stage, trials, capacity, name=name, folder=folder).fit()
    except KeyboardInterrupt:
        stage.tell(Interrupted())
    finally:
        is_complete = stage.close()
        shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)
    return is_complete


def _tuner(
    stage: "_Stage", trials: Sequence[Trial], capacity: ClusterCapacity, *, name: str, folder: Path
) -> tune.Tuner:
    worker = tune.with_parameters(TrialWorker, trials=tuple(trials), folder=str(folder))
    return tune.Tuner(
        tune.with_resources(worker, _resources(trials, capacity)),
        tune_config=tune.TuneConfig(
            search_alg=_Attempts(stage),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_named(trials),
            trial_dirname_creator=_named(trials),
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder / _TUNE_FOLDER),
            verbose=0,
            stop=_AbortStopper(stage),
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
        policy: RetryPolicy | None,
        max_concurrent: int | None,
    ) -> None:
        self._halving = halving
        self._trials = trials
        self._listener = listener
        self._folders = folders
        self._ledger = Ledger(range(len(trials)), policy=policy, max_concurrent=max_concurrent)
        self._unheard: deque[Event] = deque()
        self._due: deque[Start] = deque()
        self._attempts: dict[int, TuneTrial] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._stopping: set[tuple[int, int]] = set()
        self._ended: set[tuple[int, int]] = set()
        self.is_aborted = False
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

    def tick(self) -> None:
        """Give the ledger the time, when it wants it."""
        wake_s = self._ledger.wake_s
        if wake_s is not None and wake_s <= time.monotonic():
            self.tell(Tick())

    def next_attempt(self) -> dict[str, Any] | str | None:
        """Return the next attempt as Tune's config; None if none is due, or that none comes."""
        self.tick()  # Tune asks, and does nothing else, while nothing runs
        if self._due:
            start = self._due.popleft()
            return {
                TRIAL_INDEX: start.index,
                _ATTEMPT: start.attempt,
                _ALONE: start.alone,
                RESUMES: self._folders.prepare(start),
            }
        return Searcher.FINISHED if self._ledger.is_done else None

    def begin(self, attempt: TuneTrial) -> None:
        """Note that an attempt has its actor."""
        index, number = _place(attempt)
        self._attempts[index] = attempt
        self._listener.on_start(index)
        self.tell(Started(index=index, attempt=number))

    def hear(self, attempt: TuneTrial, result: dict[str, Any]) -> None:
        """Note what an attempt reported."""
        index, number = _place(attempt)
        if "place" in result:
            self._listener.on_place(index, result["place"])
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
            error = crash.traceback_text or crash.message
            self._fail(index, number, Failure(crash.kind), error)

    def lose(self, attempt: TuneTrial) -> None:
        """Note that an attempt's process is gone; one that could speak has told of its end."""
        index, number = _place(attempt)
        if (index, number) in self._ended:
            return
        if (index, number) in self._stopping:
            self.tell(Stopped(index=index, attempt=number))
            return
        file = attempt.error_file
        known = Path(file).read_text(encoding="utf-8").strip().splitlines() if file else []
        self._fail(index, number, Failure.LOST, "\n".join([_LOST, *known[-1:]]))

    def close(self) -> bool:
        """End what is left after Tune's end; return whether nothing was."""
        if self._ledger.is_done:
            return True
        if not self.is_aborted:
            self.tell(Interrupted())
        for index, attempt in list(self._attempts.items()):
            if self._ledger.state(index) in OPEN:
                self.tell(Stopped(index=index, attempt=_place(attempt)[1]))
        if not self._ledger.is_done:
            self.tell(Interrupted())
        return self.is_aborted

    def _falls_behind(self, index: int, rows: Sequence[Row]) -> bool:
        return self._halving is not None and self._halving.hear(self._trials[index].key, rows)

    def _fail(self, index: int, number: int, failure: Failure, error: str) -> None:
        self.tell(Failed(index=index, attempt=number, failure=failure, error=error))
        if not self._ledger.is_done and self._ledger.state(index) == "retrying":
            lines = error.strip().splitlines()
            said = lines[0] if failure is Failure.LOST else lines[-1]
            self._listener.on_retry(index, f"{failure}, {said}")

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Start():
                self._due.append(instruction)
            case Stop(index=index, attempt=number):
                self._stop(index, number)
            case Close(index=index, status=status) if status == FINISHED:
                self._listener.on_finish(index, self._outcomes.pop(index))
            case Close(index=index, status=status, reason=reason, error=error):
                self._listener.on_end(index, status, reason, error)
            case Abort(reason=reason):
                self.is_aborted = True
                self._listener.on_abort(reason)

    def _stop(self, index: int, number: int) -> None:
        """End an attempt's process; its last checkpoint is what a later one goes on from."""
        for start in self._due:
            if (start.index, start.attempt) == (index, number):
                self._due.remove(start)
                self._unheard.append(Stopped(index=index, attempt=number))
                return
        self._stopping.add((index, number))
        attempt = self._attempts.get(index)
        actor = attempt.temporary_state.ray_actor if attempt is not None else None
        if actor is not None:
            ray.kill(actor)


def _resources(
    trials: Sequence[Trial], capacity: ClusterCapacity
) -> Callable[[dict[str, Any]], tune.PlacementGroupFactory]:
    def needed(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what an attempt needs: a whole GPU or machine where memory did not suffice."""
        trial = trials[config[TRIAL_INDEX]]
        request = trial.request
        if config[_ALONE]:
            request = capacity.alone(request)
        return tune.PlacementGroupFactory(request.bundles, strategy="PACK")

    return needed


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


class _AbortStopper(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends all attempts when the ledger has ended the sweep."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    def __call__(self, *_: Any) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stage.is_aborted


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
    return attempt.config[TRIAL_INDEX], attempt.config[_ATTEMPT]
