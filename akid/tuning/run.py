"""Run: one Ray Tune `Tuner` carries out what the ledger asks for (Ray documentation, "Ray Tune").

Tune decides when there is room for an attempt, starts and reuses actors, and says what happens; the
ledger decides what is tried, tried again, stopped and given up. An attempt is a trial of Tune's.
"""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from akid.cluster.resources import ClusterCapacity
from akid.cluster.work_dir import WorkDir
from akid.tuning import train_runs
from akid.tuning.attempt import name_of, placement
from akid.tuning.ending import Ending
from akid.tuning.failure import RetryPolicy
from akid.tuning.halving import Halving
from akid.tuning.listener import Listener
from akid.tuning.memory_kill import taken_for_an_actors_death
from akid.tuning.messages import Interrupted
from akid.tuning.metric_check import MetricCheck
from akid.tuning.needs import Needs
from akid.tuning.orders import Orders, StopOrders
from akid.tuning.stage import Stage
from akid.tuning.trial import Trial
from akid.tuning.trial_folders import TrialFolders
from akid.tuning.worker import TrialWorker

_TUNE_FOLDER: Final = ".tune"
_STOP_LIMIT_S: Final = 120.0  # of a trial whose last checkpoint goes to an object store
_TURN_S: Final = 5e-4
_QUIET_LOGGERS: Final = ("ray.tune", "ray.train", "ray.air")


def run_trials(
    trials: Sequence[Trial],
    listener: Listener,
    *,
    name: str,
    work_dir: WorkDir,
    capacity: ClusterCapacity,
    policy: RetryPolicy | None = None,
    max_concurrent: int | None = None,
    left_in: Mapping[int, str] | None = None,
    halving: Halving | None = None,
    metric: str | None = None,
    ending: Ending | None = None,
) -> bool:
    """Practise all `trials` on the cluster that this process is connected to.

    Args:
        trials: What to run.
        listener: Hears all that happens, in this thread; each trial's end is told once.
        name: The sweep's name, as the dashboard shows it.
        work_dir: Where logs and checkpoints go, a subfolder for each trial.
        capacity: What the cluster has; a trial that ran out of memory is tried on a whole machine.
        policy: Retries and limits.
        max_concurrent: At most so many trials at once; None for as many as there is room for.
        left_in: Where an earlier sweep left trials that go on, by position.
        halving: Says which trials fall behind; they are stopped. None lets all practise.
        metric: What results are ranked by; where trials do not record it, the sweep ends.
        ending: The signals that end the sweep; None where nobody hears them.

    Returns:
        Whether all trials came to their end; False after a Ctrl-C.
    """
    for logger in _QUIET_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    folder = work_dir.local.resolve()
    shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)  # of a sweep that was killed
    policy = policy or RetryPolicy()
    if work_dir.uri:
        policy = replace(policy, stop_limit_s=max(policy.stop_limit_s, _STOP_LIMIT_S))
    with _orders(work_dir, folder / _TUNE_FOLDER / name / "orders") as orders:
        stage = Stage(
            trials,
            listener,
            TrialFolders(work_dir, trials, left_in or {}),
            halving=halving,
            metric_check=MetricCheck(metric),
            needs=Needs(trials, capacity, together=bool(work_dir.uri)),
            orders=orders,
            ending=ending or Ending(),
            policy=policy,
            max_concurrent=max_concurrent,
        )
        worker = tune.with_parameters(
            TrialWorker,
            trials=tuple(trials),
            places=tuple(work_dir.of_trial(trial.slug) for trial in trials),
            orders=orders,
            stall_s=policy.stall_s,
            train_runs_of=name if train_runs.are_kept() else "",
        )
        worker = tune.with_resources(worker, placement)
        try:
            with taken_for_an_actors_death(stage.hear_of_error), _quick_turns():
                _tuner(stage, worker, name=name, folder=folder).fit()
        except KeyboardInterrupt:
            stage.tell(Interrupted())
        finally:
            is_complete = stage.close()
            shutil.rmtree(folder / _TUNE_FOLDER, ignore_errors=True)
        return is_complete


@contextmanager
def _orders(work_dir: WorkDir, folder: Path) -> Iterator[Orders]:
    """Give what tells attempts to end: files where all machines see them, else an actor.

    Yields:
        The orders.
    """
    if not work_dir.uri:
        yield StopOrders(folder)
        return
    from akid.tuning.ray_orders import RayOrders

    with RayOrders() as orders:
        yield orders


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Give the interpreter back to this thread soon after each wait.

    Tune's loop waits for Ray a dozen times for each trial. By Python's default, a thread that
    computes (the tracking writer does) keeps the interpreter for 5 ms after each of these waits.

    Yields:
        None.
    """
    kept_s = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(kept_s)


def _tuner(stage: "Stage", worker: Any, *, name: str, folder: Path) -> tune.Tuner:
    return tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=_Attempts(stage),
            scheduler=_Order(stage),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=name_of,
            trial_dirname_creator=name_of,
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


class _Attempts(Searcher):  # type: ignore[misc]  # Ray has no types
    """Hands the ledger's attempts to Tune."""

    def __init__(self, stage: Stage) -> None:
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

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._stage.know(tune_controller)
        super().on_trial_add(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:  # noqa: ARG002 (Tune's)
        return self._stage.next_to_run()


class _EndStopper(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends what Tune still holds when every trial has come to its end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __call__(self, *_: Any) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stage.is_over


class _Ear(Callback):  # type: ignore[misc]  # Ray has no types
    """Passes Tune's events on to the stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def on_step_begin(self, **_: Any) -> None:
        self._stage.tick()

    def on_trial_start(self, *, trial: TuneTrial, **_: Any) -> None:
        self._stage.begin(trial)

    def on_trial_result(self, *, trial: TuneTrial, result: dict[str, Any], **_: Any) -> None:
        self._stage.hear(trial, result)

    def on_trial_error(self, *, trial: TuneTrial, **_: Any) -> None:
        self._stage.lose(trial)
