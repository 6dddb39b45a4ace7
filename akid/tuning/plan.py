"""Plan: which trials of an experiment run, which are skipped, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from akid.cluster.resources import ResourceRequest
from akid.errors import ExperimentError
from akid.tuning.experiment import Experiment
from akid.tuning.failure import RESUMED
from akid.tuning.label import differing
from akid.tuning.rows import Left
from akid.tuning.trial import Trial, make_trials

RERUNS: Final = ("missing", "failed", "stopped", "changed", "all")
FINISHED: Final = "FINISHED"
STOPPED: Final = "STOPPED"
_BEFORE: Final = {
    "FAILED": "failed before",
    "DIVERGED": "diverged before",
    "KILLED": "killed before",
    STOPPED: "stopped early before",
    "RUNNING": "interrupted before",
    "SCHEDULED": "interrupted before",
}


_BROKE_OFF: Final = frozenset({"KILLED", "RUNNING", "SCHEDULED", STOPPED})
_DONE: Final = frozenset({FINISHED, STOPPED})


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRun:
    """What the tracking store knows of a trial that ran before.

    Attributes:
        key: The trial's key.
        run_id: How the store calls the run.
        status: FINISHED, FAILED, DIVERGED, KILLED, STOPPED, RUNNING or SCHEDULED.
        cell_key: The hash of its parameters and its repeat.
        source_key: The hash of its source.
        seed: Its seed.
        started_s: When it started, or went on last, in seconds since 1970.
        folder: Where its checkpoints lie.
        versions: The versions of the packages that it ran with.
        final: Its last metrics.
        best: The metrics of its best epoch.
        test: The metrics of its best checkpoint on the test set.
        error: Its traceback.
        failure: The kind of failure, see `Failure`; empty where it did not fail.
        duration_s: How long it took.
    """

    key: str
    run_id: str
    status: str
    cell_key: str = ""
    source_key: str = ""
    seed: int | None = None
    started_s: float = 0.0
    folder: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    failure: str = ""
    duration_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrial:
    """A trial and what is done with it.

    Attributes:
        trial: The trial.
        action: "run" or "skip".
        reason: Why, in a few words.
        known: The earlier run of the same key, or None.
        left: What that one left to go on from, or None.
        same_as: The index of the trial of this plan that has the same key and whose result is this
            trial's as well, or None. Such a trial is skipped.
    """

    trial: Trial
    action: Literal["run", "skip"]
    reason: str
    known: KnownRun | None = None
    left: Left | None = None
    same_as: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All trials of a sweep in the documented order.

    Attributes:
        experiment: What the sweep is about.
        trials: Every trial with what is done with it.
        columns: The dotted names of the parameters in which the trials differ.
    """

    experiment: Experiment
    trials: tuple[PlannedTrial, ...]
    columns: tuple[str, ...]

    @property
    def to_run(self) -> list[Trial]:
        """The trials that run, in the documented order."""
        return [planned.trial for planned in self.trials if planned.action == "run"]

    @property
    def broken_off(self) -> dict[int, KnownRun]:
        """The earlier runs of trials that go on, by the trial's place in `to_run`."""
        running = [planned for planned in self.trials if planned.action == "run"]
        return {
            position: planned.known
            for position, planned in enumerate(running)
            if planned.left is not None and planned.known is not None
        }

    @property
    def reopened(self) -> dict[int, KnownRun]:
        """The earlier runs that are opened again, by the trial's place in `to_run`.

        Those of trials that go on, and those that broke off before they had anything to say.
        """
        running = [planned for planned in self.trials if planned.action == "run"]
        silent = {
            position: planned.known
            for position, planned in enumerate(running)
            if planned.known is not None
            and planned.known.status in _BROKE_OFF
            and not planned.known.final
        }
        return {**silent, **self.broken_off}

    @property
    def skipped(self) -> list[PlannedTrial]:
        """The trials that don't run."""
        return [planned for planned in self.trials if planned.action == "skip"]


def make_plan(
    experiment: Experiment,
    requests: Sequence[ResourceRequest],
    known: Mapping[str, KnownRun],
    rerun: str = "missing",
    *,
    left: Callable[[KnownRun], Left | None] = lambda _: None,
    versions: Mapping[str, str] | None = None,
) -> Plan:
    """Decide for every trial of an experiment whether it runs.

    Args:
        experiment: The experiment.
        requests: What each trial needs, in the documented order.
        known: The earlier runs by key (see `by_key`).
        rerun: "missing" runs whatever has no finished run and was not stopped early; "failed" only
            what ran before and came to neither end; "stopped" only what was stopped early, which
            goes on; "changed" only what ran before with another source, seed or data, or finished
            with other versions of packages that decide its numbers; "all" everything.
        left: Looks for what a run that broke off left to go on from.
        versions: The versions of the packages that a trial would run with now.

    Raises:
        ExperimentError: If `rerun` is unknown, or the number of requests is another.
        TemplateError: If a trial can't be rendered; all faults at once.
    """
    if rerun not in RERUNS:
        raise ExperimentError(f"rerun: expected one of {', '.join(RERUNS)}, got rerun={rerun!r}.")
    history = _History(known, versions or {})
    first: dict[str, int] = {}
    planned = []
    for trial in make_trials(experiment, requests):
        same_as = first.setdefault(trial.key, trial.index)
        if same_as != trial.index:
            reason = f"same program as trial {same_as}"
            planned.append(PlannedTrial(trial=trial, action="skip", reason=reason, same_as=same_as))
        else:
            planned.append(_decide(trial, known.get(trial.key), history, rerun, left))
    return Plan(
        experiment=experiment,
        trials=tuple(planned),
        columns=tuple(differing(experiment.cells())),
    )


def by_key(runs: Iterable[KnownRun]) -> dict[str, KnownRun]:
    """Return one run for each key: a finished one if there is any, else the last that started."""
    chosen: dict[str, KnownRun] = {}
    for run in sorted(runs, key=lambda run: (run.status == FINISHED, run.started_s)):
        chosen[run.key] = run
    return chosen


def _decide(
    trial: Trial,
    run: KnownRun | None,
    history: "_History",
    rerun: str,
    look: Callable[[KnownRun], Left | None],
) -> PlannedTrial:
    changed = history.change(trial, run)
    wanted = {
        "all": True,
        "missing": run is None or run.status not in _DONE,
        "failed": run is not None and run.status not in _DONE,
        "stopped": run is not None and run.status == STOPPED,
        "changed": changed is not None,
    }[rerun]
    left = look(run) if wanted and rerun != "all" and run is not None and _broke_off(run) else None
    return PlannedTrial(
        trial=trial,
        action="run" if wanted else "skip",
        reason=_reason(run, changed, left, wanted=wanted, rerun=rerun),
        known=run,
        left=left,
    )


def _broke_off(run: KnownRun) -> bool:
    """Whether a run may go on: no error of its program's has ended it."""
    return run.status in _BROKE_OFF or run.failure in RESUMED


def _reason(
    run: KnownRun | None, changed: str | None, left: Left | None, *, wanted: bool, rerun: str
) -> str:
    if run is None:
        reason = changed or "new"
    elif run.status == FINISHED:
        reason = f"finished in run {run.run_id[:8]}" + (f" with {changed}" if changed else "")
    elif run.status == STOPPED and left is None:
        reason = f"stopped early in run {run.run_id[:8]}"
    else:
        reason = _BEFORE.get(run.status, f"{run.status.lower()} before")
        if run.failure:
            reason = f"failed ({run.failure}) before"
        if left is not None:
            goes_on = f"at step {left.step}: goes on" if left.result is None else "after its end"
            reason = f"{reason.removesuffix(' before')} {goes_on}"
    if wanted or (run is not None and run.status in _DONE):
        return reason
    return f"{reason}; --rerun {rerun} leaves it"


class _History:
    """What is known of earlier runs, to tell in what a trial differs from them.

    Args:
        known: The runs by key.
        versions: The versions of the packages that a trial would run with now.
    """

    def __init__(self, known: Mapping[str, KnownRun], versions: Mapping[str, str]) -> None:
        self._versions = versions
        self._by_cell: dict[str, list[KnownRun]] = {}
        for run in sorted(known.values(), key=lambda run: run.started_s):
            if run.cell_key:
                self._by_cell.setdefault(run.cell_key, []).append(run)

    def change(self, trial: Trial, run: KnownRun | None) -> str | None:
        """Return what changed since the trial finished or its cell ran last; None for nothing."""
        if run is not None and run.status == FINISHED:
            return self._other_versions(run)
        others = [run for run in self._by_cell.get(trial.cell_key, ()) if run.key != trial.key]
        if not others:
            return None
        last = others[-1]
        if last.source_key != trial.source_key:
            return "changed source"
        return "changed seed" if last.seed != trial.seed else "changed data"

    def _other_versions(self, run: KnownRun) -> str | None:
        changed = [
            f"{name} {run.versions[name]} (now {version})"
            for name, version in self._versions.items()
            if run.versions.get(name, version) != version
        ]
        return ", ".join(changed) or None
