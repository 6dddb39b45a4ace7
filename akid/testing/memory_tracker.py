"""MemoryTracker: a tracker without a store, for tests and trials without MLflow."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from akid.errors import RefusedError
from akid.tuning.plan import KnownRun
from akid.tuning.rows import News
from akid.tuning.tracking import (
    END_TAGS,
    ERROR_TAG,
    FAILURE_TAG,
    WHEN,
    Metrics,
    OpenRun,
    Tracker,
    TrialEnd,
    TrialStart,
)


@dataclass(kw_only=True, slots=True)
class MemoryRun:
    """What a `MemoryTracker` was told of one run.

    Attributes:
        name: The sweep's name or the trial's label.
        parent_id: The sweep's run, for a trial.
        status: RUNNING until the run is closed.
        params: The parameters as text.
        tags: What is said of it in words.
        rows: All rows of metrics in the order of their arrival.
        summary: Metrics of the whole run.
        artifacts: What it left behind, as text.
        news: Knows which rows the run has.
    """

    name: str
    parent_id: str | None = None
    status: str = "RUNNING"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    rows: list[Metrics] = field(default_factory=list)
    summary: Metrics = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    news: News = field(default_factory=News)


@final
class MemoryTracker(Tracker):
    """Keeps the runs of one experiment in memory.

    Attributes:
        runs: Every run by its id, oldest first.

    >>> tracker = MemoryTracker()
    >>> sweep = tracker.start_sweep("digits", tags={})
    >>> tracker.end_sweep(sweep, status="FINISHED", summary={"failed": 0.0}, ended_s=0.0)
    >>> tracker.runs[sweep].status
    'FINISHED'
    """

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self._numbers = itertools.count()

    def known_runs(self) -> list[KnownRun]:
        numbered = [(n, run_id, run) for n, (run_id, run) in enumerate(self.runs.items())]
        return [
            _known(run_id, run, started_s=float(number))
            for number, run_id, run in reversed(numbered)
            if run.parent_id is not None
        ]

    def open_runs(self) -> list[OpenRun]:
        return [
            OpenRun(run_id=run_id, tags=run.tags)
            for run_id, run in self.runs.items()
            if run.status == "RUNNING"
        ]

    def closed_sweeps(self) -> frozenset[str]:
        return frozenset(
            run_id
            for run_id, run in self.runs.items()
            if run.parent_id is None and run.status != "RUNNING"
        )

    def has_run(self, run_id: str) -> bool:
        return run_id in self.runs

    def find_trials(self, parent_id: str, index: int) -> list[str]:
        return [
            run_id
            for run_id, run in self.runs.items()
            if run.parent_id == parent_id and run.tags["akid.index"] == str(index)
        ]

    def start_sweep(self, name: str, *, tags: Mapping[str, str]) -> str:
        return self._add(MemoryRun(name=name, tags={**tags, "akid.kind": "sweep"}))

    def start_trial(self, start: TrialStart, *, parent_id: str, run_id: str | None = None) -> str:
        self._run(parent_id)
        if start.goes_on is not None:
            run = self._run(start.goes_on)
            if run.parent_id == parent_id and run.status != "RUNNING":  # told again after its end
                return start.goes_on
            run.parent_id, run.status = parent_id, "RUNNING"
            kept = {name: text for name, text in run.tags.items() if name not in END_TAGS}
            run.tags = {**kept, **start.tags}
            return start.goes_on
        return run_id or self._add(
            MemoryRun(
                name=start.label, parent_id=parent_id, params=start.params, tags={**start.tags}
            )
        )

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        run = self._run(run_id)
        run.rows.extend(run.news.only_new(rows))

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._run(run_id).tags.update(tags)

    def log_files(
        self, run_id: str, *, files: Mapping[str, Path], texts: Mapping[str, str]
    ) -> None:
        artifacts = self._run(run_id).artifacts
        artifacts.update(texts)
        artifacts.update({n: f.read_text(errors="replace") for n, f in files.items() if f.exists()})

    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        run = self._run(run_id)
        run.status, run.summary = end.status, end.summary
        run.tags.update(end.tags)

    def end_sweep(self, run_id: str, *, status: str, summary: Metrics, ended_s: float) -> None:
        del ended_s
        run = self._run(run_id)
        run.status, run.summary = status, summary

    def delete_run(self, run_id: str) -> None:
        self._run(run_id)
        del self.runs[run_id]

    def _add(self, run: MemoryRun) -> str:
        run_id = f"run{next(self._numbers)}"
        self.runs[run_id] = run
        return run_id

    def _run(self, run_id: str) -> MemoryRun:
        if run_id not in self.runs:
            raise RefusedError(
                f"MemoryTracker: expected the id of a run, got {run_id=!r}; there are"
                f" {list(self.runs)}."
            )
        return self.runs[run_id]


def _known(run_id: str, run: MemoryRun, *, started_s: float) -> KnownRun:
    final = {n: v for row in run.rows for n, v in row.items() if n not in WHEN}
    final |= {name: value for name, value in run.summary.items() if "/" not in name}
    return KnownRun(
        key=run.tags["akid.key"],
        run_id=run_id,
        status=run.status,
        cell_key=run.tags["akid.cell_key"],
        source_key=run.tags["akid.source_key"],
        seed=int(run.tags["akid.seed"]),
        started_s=started_s,
        folder=run.tags.get("akid.folder", ""),
        duration_s=final.pop("duration_s", None),
        final=final,
        best=_below("best/", run.summary),
        test={f"test_{name}": value for name, value in _below("test/", run.summary).items()},
        error=run.tags.get(ERROR_TAG),
        failure=run.tags.get(FAILURE_TAG, ""),
    )


def _below(prefix: str, metrics: Metrics) -> dict[str, float]:
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}
