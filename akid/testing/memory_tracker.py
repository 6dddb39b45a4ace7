"""MemoryTracker: a tracker without a store, for tests and trials without MLflow."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from akid.errors import TrackingError
from akid.tuning.plan import KnownRun
from akid.tuning.rows import News
from akid.tuning.tracking import Metrics, Tracker, TrialEnd
from akid.tuning.trial import Trial

_NOT_METRICS = frozenset({"step", "time_s"})


@dataclass(kw_only=True, slots=True)
class MemoryRun:
    """What a `MemoryTracker` was told of one run.

    Attributes:
        name: The sweep's name or the trial's label.
        parent_id: The sweep's run, for a trial.
        trial: The trial; None for a sweep.
        status: RUNNING until the run is closed.
        rows: All rows of metrics in the order of their arrival.
        end: What a trial ended with.
        news: Knows which rows a run has that goes on.
    """

    name: str
    parent_id: str | None = None
    trial: Trial | None = None
    status: str = "RUNNING"
    rows: list[Metrics] = field(default_factory=list)
    end: TrialEnd | None = None
    news: News | None = None


@final
class MemoryTracker(Tracker):
    """Keeps the runs of one experiment in memory.

    Attributes:
        runs: Every run by its id, oldest first.

    >>> tracker = MemoryTracker()
    >>> sweep = tracker.start_sweep("digits", tags={}, texts={})
    >>> tracker.end_sweep(sweep, status="FINISHED", summary={"failed": 0.0})
    >>> tracker.runs[sweep].status
    'FINISHED'
    """

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self._numbers = itertools.count()

    def known_runs(self) -> list[KnownRun]:
        numbered = [(n, run_id, run) for n, (run_id, run) in enumerate(self.runs.items())]
        return [
            _known(run_id, run, run.trial, started_s=float(number))
            for number, run_id, run in reversed(numbered)
            if run.trial is not None
        ]

    def close_left_open(self) -> int:
        """Return 0: what is kept in memory does not outlive the sweep that left it open."""
        return 0

    def start_sweep(self, name: str, *, tags: Mapping[str, str], texts: Mapping[str, str]) -> str:
        del tags, texts
        return self._add(MemoryRun(name=name))

    def start_trial(
        self, trial: Trial, *, parent_id: str, tags: Mapping[str, str], goes_on: str | None = None
    ) -> str:
        del tags
        self._run(parent_id)
        if goes_on is not None:
            run = self._run(goes_on)
            run.parent_id, run.status, run.end = parent_id, "RUNNING", None
            run.news = News()
            run.news.only_new(run.rows)
            return goes_on
        return self._add(MemoryRun(name=trial.label, parent_id=parent_id, trial=trial))

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        run = self._run(run_id)
        run.rows.extend(rows if run.news is None else run.news.only_new(rows))

    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        run = self._run(run_id)
        run.status, run.end = end.status, end

    def end_sweep(self, run_id: str, *, status: str, summary: Metrics) -> None:
        del summary
        self._run(run_id).status = status

    def _add(self, run: MemoryRun) -> str:
        run_id = f"run{next(self._numbers)}"
        self.runs[run_id] = run
        return run_id

    def _run(self, run_id: str) -> MemoryRun:
        if run_id not in self.runs:
            raise TrackingError(
                f"MemoryTracker: expected the id of a run, got {run_id=!r}; there are"
                f" {list(self.runs)}."
            )
        return self.runs[run_id]


def _known(run_id: str, run: MemoryRun, trial: Trial, *, started_s: float) -> KnownRun:
    end = run.end or TrialEnd(status=run.status)
    final = {n: v for row in run.rows for n, v in row.items() if n not in _NOT_METRICS}
    final |= {name: value for name, value in end.summary.items() if "/" not in name}
    duration_s = final.pop("duration_s", None)
    known = KnownRun(
        key=trial.key,
        run_id=run_id,
        status=run.status,
        cell_key=trial.cell_key,
        source_key=trial.source_key,
        seed=trial.seed,
        started_s=started_s,
    )
    return replace(
        known,
        final=final,
        best=_below("best/", end.summary),
        test={f"test_{name}": value for name, value in _below("test/", end.summary).items()},
        error=end.tags.get("akid.error"),
        duration_s=duration_s,
    )


def _below(prefix: str, metrics: Metrics) -> dict[str, float]:
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}
