"""Tracking: what a store of runs is asked and told.

Whatever is told may be told again, because a call that failed may have been carried out: a second
time changes nothing. Only `start_sweep` always opens a new run, and `start_trial` does unless it is
given the run that an earlier call has opened.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from akid.tuning import parameter_text
from akid.tuning.plan import KnownRun
from akid.tuning.trial import Trial

WHEN: Final = frozenset({"step", "time_s"})
"""The entries of a row that say when it was recorded; all others are metrics."""

FOLDER_TAG: Final = "akid.folder"
"""The tag of a trial's run that says where its files lie."""

ERROR_TAG: Final = "akid.error"
"""The tag of a trial's run that says with what error it ended."""

FAILURE_TAG: Final = "akid.failure"
"""The tag of a failed trial's run that says what kind of failure it was."""

END_TAGS: Final = frozenset({ERROR_TAG, FAILURE_TAG})
"""The tags that say how a trial ended; they go when its run goes on."""

RESUMED_TAG: Final = "akid.resumed_s"
"""The tag of a trial's run that says when it went on last, in seconds since 1970."""

Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStart:
    """What a trial's run is opened with.

    Attributes:
        index: The trial's place in the sweep.
        label: What the run is called.
        params: The parameters as text: `net.*`, `opt.*`, `repeat`, `seed`.
        tags: What identifies the trial, and where it comes from.
        started_s: When it began, in seconds since 1970.
        goes_on: The run that broke off and goes on now; None opens a new one. Rows that it has
            already are not added again.
    """

    index: int
    label: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    started_s: float
    goes_on: str | None = None

    @classmethod
    def of(cls, trial: Trial, *, tags: Mapping[str, str], goes_on: str | None = None) -> Self:
        """Return the start of a trial that begins now; `tags` come beside what identifies it."""
        return cls(
            index=trial.index,
            label=trial.label,
            params=_params(trial),
            tags={**tags, **_identity(trial)},
            started_s=time.time(),
            goes_on=goes_on,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnd:
    """How a trial ended, for the tracker.

    Attributes:
        status: A status of `akid.tuning.results`.
        summary: Metrics of the whole trial by name, such as `best/val_accuracy`.
        tags: What is said of the run in words.
        ended_s: When it ended, in seconds since 1970.
    """

    status: str
    summary: Metrics = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    ended_s: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRun:
    """A run that the store has as running.

    Attributes:
        run_id: How the store calls it.
        tags: Its tags.
    """

    run_id: str
    tags: Mapping[str, str]

    @property
    def is_trial(self) -> bool:
        """Whether it is a trial's run, not a sweep's."""
        return self.tags.get("akid.kind") == "trial"


class Tracker(ABC):
    """A store of runs.

    Every method may raise `TrackingError`, and `RefusedError` when it would be of no use to try
    again.
    """

    @abstractmethod
    def known_runs(self) -> list[KnownRun]:
        """Return the trial runs of the experiment, newest first."""

    @abstractmethod
    def open_runs(self) -> list[OpenRun]:
        """Return the runs of the experiment that are not closed, sweeps' runs among them."""

    @abstractmethod
    def closed_sweeps(self) -> frozenset[str]:
        """Return the sweeps' runs of the experiment that are closed."""

    @abstractmethod
    def has_run(self, run_id: str) -> bool:
        """Whether there is a run of this id."""

    @abstractmethod
    def find_trials(self, parent_id: str, index: int) -> list[str]:
        """Return the runs that were opened for a trial of a sweep, oldest first."""

    @abstractmethod
    def start_sweep(self, name: str, *, tags: Mapping[str, str]) -> str:
        """Open the sweep's parent run and return its id."""

    @abstractmethod
    def start_trial(self, start: TrialStart, *, parent_id: str, run_id: str | None = None) -> str:
        """Open a trial's run and return its id.

        Args:
            start: What the run is opened with.
            parent_id: The sweep's run.
            run_id: A run that an earlier call opened, perhaps not to the end.
        """

    @abstractmethod
    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        """Add rows of metrics; each has `step` and `time_s` beside the metrics."""

    @abstractmethod
    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add what is said of a run in words."""

    @abstractmethod
    def log_files(
        self, run_id: str, *, files: Mapping[str, Path], texts: Mapping[str, str]
    ) -> None:
        """Add artifacts by their names: files on disk, unless they are missing, and contents."""

    @abstractmethod
    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        """Add what a trial ended with and close its run."""

    @abstractmethod
    def end_sweep(self, run_id: str, *, status: str, summary: Metrics, ended_s: float) -> None:
        """Close the sweep's run."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Delete a run that was opened twice."""


def _identity(trial: Trial) -> dict[str, str]:
    return {
        "akid.kind": "trial",
        "akid.status": "RUNNING",
        "akid.index": str(trial.index),
        "akid.key": trial.key,
        "akid.cell_key": trial.cell_key,
        "akid.source_key": trial.source_key,
        "akid.seed": str(trial.seed),
        "akid.gpus": f"{trial.gpus:g}",
        "akid.cpus": f"{trial.cpus:g}",
        "akid.threads": str(trial.threads),
    }


def _params(trial: Trial) -> dict[str, str]:
    columns: dict[str, Any] = {**trial.columns, "repeat": trial.repeat, "seed": trial.seed}
    return {name: parameter_text.write(value) for name, value in columns.items()}
