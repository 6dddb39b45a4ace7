"""Run text: what a store has of a run, in what two runs differ, and what a replay gave."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from akid.tuning import parameter_text
from akid.tuning.history import StoredRun
from akid.tuning.replay import Replay, Verdict
from akid.tuning.tracking import END_TAGS, RESUMED_TAG

PROGRAM: Final = "trial.py"
"""The file of a run that has its rendered source."""

_SAID_ELSEWHERE: Final = frozenset(
    {
        "akid.kind",
        "akid.status",
        "akid.index",
        "akid.seed",
        *END_TAGS,
        RESUMED_TAG,
        "mlflow.runName",
        "mlflow.parentRunId",
    }
)
_OF_ONE_RUN: Final = frozenset({"akid.key", "akid.cell_key", "akid.source_key", "akid.folder"})
_SHOWN_ID: Final = 8
_WIDTH: Final = 120
_LARGEST_WHOLE: Final = 1e15


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """A run with what its files say.

    Attributes:
        run: The run.
        source: Its rendered source as a program; None where that was not kept.
        files: The names of its files.
    """

    run: StoredRun
    source: str | None
    files: Sequence[str]

    @property
    def name(self) -> str:
        """The begin of its id, and what it is called."""
        return f"{self.run.run_id[:_SHOWN_ID]} {self.run.label}"


def show(described: Described) -> str:
    """Return all that is known of a run: parameters, metrics, environment, files and source."""
    run = described.run
    parts = [
        f"{run.label}\n{_aligned(_head(run))}",
        f"parameters\n{_aligned(_texts(_parameters(run)))}",
        f"metrics\n{_aligned([['', 'best', 'final'], *_metric_rows(run)])}",
        f"environment\n{_aligned(_environment(run).items())}",
    ]
    if run.known.error:
        parts.append(f"error\n{_indented(run.known.error.strip())}")
    parts.append(f"files\n{_indented(', '.join(described.files) or 'none')}")
    source = described.source or f"  not kept: the run has no {PROGRAM}"
    return "\n\n".join([*parts, f"source ({PROGRAM})\n{source.rstrip()}"])


def diff(first: Described, second: Described) -> str:
    """Return in what two runs differ: parameters, environment, metrics and source."""
    one, two = first.run, second.run
    return "\n\n".join(
        [
            f"--- {first.name}\n+++ {second.name}",
            _section("parameters", *(dict(_texts(_parameters(run))) for run in (one, two))),
            _section("environment", *(_comparable(_environment(run)) for run in (one, two))),
            _section("metrics", *(dict(_exact(_metrics(run))) for run in (one, two))),
            f"source\n{_source_diff(first, second)}",
        ]
    )


def replayed(run: StoredRun, outcome: Replay) -> str:
    """Return for each metric of a replay whether it is equal to what was recorded."""
    if outcome.error is not None:
        same = "as recorded" if outcome.repeats(run.known) else f"recorded was {run.status}"
        return f"the replay failed, {same}: {outcome.error}"
    compared = [verdict for verdict in outcome.verdicts if not verdict.is_timing]
    timings = [verdict for verdict in outcome.verdicts if verdict.is_timing]
    equal = sum(verdict.is_equal for verdict in compared)
    lines = [_aligned([["", "recorded", "replayed", ""], *map(_verdict_row, compared)])]
    lines += [
        f"not compared: {v.name} {_exactly(v.recorded)} then, {_exactly(v.replayed)} now"
        for v in timings
    ]
    if run.known.status != "FINISHED":
        lines.append(f"the recorded run is {run.status}, the replay finished")
    return "\n".join([*lines, f"equal to the last digit: {equal} of {len(compared)} metrics"])


def _verdict_row(verdict: Verdict) -> list[str]:
    word = "equal" if verdict.is_equal else "DIFFERS"
    return [verdict.name, _exactly(verdict.recorded), _exactly(verdict.replayed), word]


def _head(run: StoredRun) -> list[list[str]]:
    known = run.known
    took = "" if known.duration_s is None else f" after {known.duration_s:.1f} s"
    failure = f" ({known.failure})" if known.failure else ""
    began = datetime.fromtimestamp(known.started_s).astimezone()
    return [
        ["run", run.run_id],
        ["experiment", run.experiment],
        ["sweep", run.parent_id or "none"],
        ["status", f"{run.status}{failure}{took}, begun {began:%Y-%m-%d %H:%M:%S %z}"],
    ]


def _parameters(run: StoredRun) -> dict[str, Any]:
    return {**run.columns, "repeat": run.repeat, "seed": run.known.seed}


def _metric_rows(run: StoredRun) -> list[list[str]]:
    known = run.known
    best = {**known.best, **known.test}
    names = [*dict.fromkeys([*best, *known.final])]
    rows = [[name, _exactly(best.get(name)), _exactly(known.final.get(name))] for name in names]
    return [*rows, *([name, "", _exactly(value)] for name, value in run.usage.items())]


def _metrics(run: StoredRun) -> dict[str, float]:
    known = run.known
    best = {f"best/{name}": value for name, value in known.best.items()}
    took = {} if known.duration_s is None else {"duration_s": known.duration_s}
    return {**best, **known.test, **known.final, **run.usage, **took}


def _environment(run: StoredRun) -> dict[str, str]:
    return {name: text for name, text in sorted(run.tags.items()) if name not in _SAID_ELSEWHERE}


def _comparable(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name not in _OF_ONE_RUN}


def _section(title: str, first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """Return the entries in which two mappings differ, side by side."""
    names = dict.fromkeys([*first, *second])
    rows = [
        [name, first.get(name, "-"), second.get(name, "-")]
        for name in names
        if first.get(name) != second.get(name)
    ]
    equal = len(names) - len(rows)
    if not rows:
        return f"{title}: all {equal} are the same"
    text = _aligned([["", "---", "+++"], *rows])
    if max(len(line) for line in text.splitlines()) > _WIDTH:
        text = "\n".join(f"  {name}\n    - {old}\n    + {new}" for name, old, new in rows)
    return f"{title} ({equal} more are the same)\n{text}"


def _source_diff(first: Described, second: Described) -> str:
    if first.source is None or second.source is None:
        missing = " and ".join(one.name for one in (first, second) if one.source is None)
        return _indented(f"not kept: no {PROGRAM} in {missing}")
    old, new = first.source.splitlines(), second.source.splitlines()
    names = [f"{one.run.run_id[:_SHOWN_ID]}/{PROGRAM}" for one in (first, second)]
    lines = difflib.unified_diff(old, new, names[0], names[1], lineterm="")
    return "\n".join(lines) or _indented("the same")


def _texts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, parameter_text.write(value)) for name, value in values.items()]


def _exact(values: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, _exactly(value)) for name, value in values.items()]


def _exactly(value: float | None) -> str:
    """Return a number with all of its digits; a whole one without a point."""
    if value is None:
        return ""
    is_whole = float(value).is_integer() and abs(value) < _LARGEST_WHOLE
    return str(int(value)) if is_whole else repr(float(value))


def _aligned(rows: Iterable[Sequence[str]]) -> str:
    kept = [list(row) for row in rows]
    if not kept:
        return _indented("none")
    widths = [max(len(row[n]) for row in kept) for n in range(len(kept[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in kept)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
