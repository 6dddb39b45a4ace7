"""Run: one Ray Tune `Tuner` executes the planned trials (Ray documentation, "Ray Tune")."""

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from akid.tuning.execute import Row
from akid.tuning.trial import Trial
from akid.tuning.worker import TRIAL_INDEX, Outcome, TrialCrash, TrialWorker

_TUNE_FOLDER: Final = ".tune"
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
        """A trial recorded rows."""

    def on_finish(self, position: int, outcome: Outcome) -> None:
        """A trial finished."""

    def on_crash(self, position: int, crash: TrialCrash) -> None:
        """A trial ended by an error; said again, or after the trial finished, it means nothing."""


def run_trials(
    trials: Sequence[Trial],
    listener: Listener,
    *,
    name: str,
    folder: Path,
    max_concurrent: int | None = None,
) -> None:
    """Practise all `trials` on the cluster that this process is connected to.

    Returns when each has ended, or after the first Ctrl-C; a trial that the listener heard no end
    of was interrupted.

    Args:
        trials: What to run.
        listener: Hears all that happens, in this thread.
        name: The sweep's name, as the dashboard shows it.
        folder: Where logs and checkpoints go, a subfolder for each trial; all machines must see it.
        max_concurrent: At most so many trials at once; None for as many as there is room for.
    """
    for logger in _QUIET_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    folder = folder.resolve()
    storage = folder / _TUNE_FOLDER
    worker = tune.with_parameters(TrialWorker, trials=tuple(trials), folder=str(folder))
    tuner = tune.Tuner(
        tune.with_resources(worker, _resources(trials)),
        param_space={TRIAL_INDEX: tune.grid_search(list(range(len(trials))))},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=max_concurrent,
            trial_name_creator=_named(trials),
            trial_dirname_creator=_named(trials),
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(storage),
            verbose=0,
            callbacks=[_Ear(listener)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(storage / name, ignore_errors=True)


def _resources(trials: Sequence[Trial]) -> Callable[[dict[str, Any]], tune.PlacementGroupFactory]:
    def needed(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        trial = trials[config[TRIAL_INDEX]]
        bundle = {"CPU": trial.cpus, "GPU": trial.gpus}
        return tune.PlacementGroupFactory([{key: value for key, value in bundle.items() if value}])

    return needed


def _named(trials: Sequence[Trial]) -> Callable[[TuneTrial], str]:
    return lambda trial: trials[trial.config[TRIAL_INDEX]].slug


class _Ear(Callback):  # type: ignore[misc]  # Ray has no types
    """Passes Tune's events on to the listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __getstate__(self) -> dict[str, Any]:
        """Leave the listener out: Tune saves its callbacks for a restore that akid never makes."""
        return {}

    def on_trial_start(self, *, trial: TuneTrial, **_: Any) -> None:
        self._listener.on_start(trial.config[TRIAL_INDEX])

    def on_trial_result(self, *, trial: TuneTrial, result: dict[str, Any], **_: Any) -> None:
        position = trial.config[TRIAL_INDEX]
        if result["rows"]:
            self._listener.on_rows(position, result["rows"])
        if "outcome" in result:
            self._listener.on_finish(position, result["outcome"])
        if "crash" in result:
            self._listener.on_crash(position, result["crash"])

    def on_trial_error(self, *, trial: TuneTrial, **_: Any) -> None:
        """Tell of a trial whose process died; one that could speak has told of its end before."""
        known = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        text = "\n".join([_LOST, *known.strip().splitlines()[-1:]])
        self._listener.on_crash(trial.config[TRIAL_INDEX], TrialCrash("lost", _LOST, text))
