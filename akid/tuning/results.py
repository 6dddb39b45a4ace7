"""Results: what became of the trials, and how the combinations rank over their repeats."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final, Literal

from akid.errors import ExperimentError
from akid.tuning import strict_json
from akid.tuning.grid import Paras
from akid.tuning.label import flatten
from akid.tuning.literal import literal

FINISHED: Final = "FINISHED"  # trained to the end, now or in an earlier sweep
FAILED: Final = "FAILED"  # raised an error
DIVERGED: Final = "DIVERGED"  # its loss became NaN or infinite
KILLED: Final = "KILLED"  # was interrupted
STOPPED: Final = "STOPPED"  # fell behind the others and was stopped early
SKIPPED: Final = "SKIPPED"  # did not run in this sweep and has no result
STATUSES: Final = (FINISHED, FAILED, DIVERGED, KILLED, STOPPED, SKIPPED)
SUCCEEDED: Final = frozenset({FINISHED, STOPPED})
"""The statuses that are as they should be."""

Mode = Literal["max", "min"]

_LARGER_IS_BETTER: Final = ("acc", "precision", "recall", "auc", "f1", "score", "samples_per_s")
_NOT_METRICS: Final = frozenset({"step", "epoch", "time_s"})
PREFERRED: Final = ("val_accuracy", "val_loss")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """What became of one trial.

    Attributes:
        index: Its place in the documented order, from 0.
        label: What it differs in.
        repeat: Which repeat it is, from 0.
        net_paras: The network parameters.
        opt_paras: The optimisation parameters.
        seed: Its seed.
        key: What it is: a hash of its source, seed and data.
        status: One of `STATUSES`.
        final: The metrics at the end of practice.
        best: The metrics of its best epoch.
        test: The metrics of the best checkpoint on the test set.
        error: The traceback, or None.
        run_id: How the tracking store calls the run, or None.
        duration_s: How long it took, or None.
        reused: Whether the result comes from an earlier sweep.
    """

    index: int
    label: str
    repeat: int
    net_paras: Paras
    opt_paras: Paras
    seed: int
    key: str
    status: str
    final: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    run_id: str | None = None
    duration_s: float | None = None
    reused: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """The parameters by their dotted names, for example `opt.lr`."""
        return dict([*flatten("net", self.net_paras), *flatten("opt", self.opt_paras)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The mean and the spread of some values.

    Attributes:
        mean: Their mean; NaN of none.
        std: The sample's standard deviation (n - 1); NaN of fewer than two.
        n: How many they are.
    """

    mean: float
    std: float
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CellResult:
    """One combination of parameters over its repeats.

    Attributes:
        rank: Its place, from 1; equal means share a place; None without a finished trial.
        label: What it differs in.
        net_paras: The network parameters.
        opt_paras: The optimisation parameters.
        metric: What it is ranked by.
        value: The metric over the finished repeats (see `rank`).
        best: The best value of the finished repeats, or what those that broke off came to; NaN of
            none.
        test: The same metric on the test set over the finished repeats.
        test_metric: How that is called, or None if there is none.
        failed: How many repeats neither finished nor were stopped early.
        records: The trials.
    """

    rank: int | None
    label: str
    net_paras: Paras
    opt_paras: Paras
    metric: str
    value: Spread
    best: float
    test: Spread
    test_metric: str | None
    failed: int
    records: tuple[TrialRecord, ...]

    @property
    def status(self) -> str:
        """The statuses of the repeats with their numbers, for example `2 FINISHED, 1 FAILED`."""
        found = [record.status for record in self.records]
        counts = {status: found.count(status) for status in dict.fromkeys(found)}
        if len(counts) == 1:
            return found[0]
        return ", ".join(f"{count} {status}" for status, count in counts.items())

    @property
    def is_cut(self) -> bool:
        """Whether a repeat was stopped early."""
        return any(record.status == STOPPED for record in self.records)

    @property
    def columns(self) -> dict[str, Any]:
        """The parameters by their dotted names."""
        return self.records[0].columns


def spread(values: Iterable[float]) -> Spread:
    """Return the mean and the sample's standard deviation of the finite values.

    >>> spread([1.0, 3.0, float("nan")])
    Spread(mean=2.0, std=1.4142135623730951, n=2)
    """
    kept = [float(value) for value in values if math.isfinite(value)]
    n = len(kept)
    if not n:
        return Spread(mean=math.nan, std=math.nan, n=0)
    # Shifted by the first value, so that equal values have a deviation of exactly zero.
    first = kept[0]
    shift = math.fsum(value - first for value in kept) / n
    squares = math.fsum((value - first - shift) ** 2 for value in kept)
    return Spread(mean=first + shift, std=math.sqrt(squares / (n - 1)) if n > 1 else math.nan, n=n)


def resolve_metric(
    records: Sequence[TrialRecord], metric: str | None = None, mode: str | None = None
) -> tuple[str, Mode]:
    """Return the metric to rank by, and whether "max" or "min" of it is best.

    Without a name it is `val_accuracy` if some trial has that, else `val_loss`, else the first.
    Without a mode, names that speak of accuracy, precision, recall, AUC, F1 or a score are better
    when larger.

    Raises:
        ExperimentError: If trials finished and none has that metric (the known ones are listed), or
            the mode is neither.

    >>> resolve_metric([], "val_loss"), resolve_metric([], "top5_accuracy")
    (('val_loss', 'min'), ('top5_accuracy', 'max'))
    """
    if mode not in (None, "max", "min"):
        raise ExperimentError(f"mode: expected 'max', 'min' or None, got mode={mode!r}.")
    known = _metrics_of({name for record in records for name in (*record.final, *record.best)})
    if metric is None:
        metric = next((name for name in PREFERRED if name in known), None)
        metric = metric or (known[0] if known else PREFERRED[0])
    elif fault := metric_fault(known, metric):
        raise ExperimentError(fault)
    return metric, _mode(metric, mode)


def usable_metric(
    records: Sequence[TrialRecord], metric: str | None, mode: str | None
) -> tuple[str, Mode, ExperimentError | None]:
    """Return what `resolve_metric` gives; where no trial has that metric its choice, and the fault.

    >>> record = TrialRecord(index=0, label="", repeat=0, net_paras={}, opt_paras={}, seed=0,
    ...                      key="", status=FINISHED, final={"val_loss": 0.5})
    >>> usable_metric([record], "loss", "min")[:2]
    ('val_loss', 'min')
    """
    try:
        return *resolve_metric(records, metric, mode), None
    except ExperimentError as fault:
        return *resolve_metric(records), fault


def metric_fault(names: Collection[str], metric: str) -> str | None:
    """Return what is wrong with a metric where these names were recorded; None for nothing.

    >>> metric_fault(["step", "val_accuracy"], "val_acc")
    "metric: expected one of val_accuracy, got metric='val_acc'. Did you mean val_accuracy?"
    """
    known = _metrics_of(names)
    if not known or metric in known:
        return None
    close = get_close_matches(metric, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"metric: expected one of {', '.join(known)}, got metric={metric!r}.{hint}"


def _metrics_of(names: Iterable[str]) -> list[str]:
    return sorted(set(names) - _NOT_METRICS)


def rank(
    records: Sequence[TrialRecord], metric: str | None = None, mode: str | None = None
) -> list[CellResult]:
    """Return the combinations of parameters from the best to the worst mean over their repeats.

    Only finished trials count, each with its best value of the metric (its final value where there
    is no best). Combinations of which a repeat was stopped early come after the others: the mean
    over those that were not is too good. Combinations without any finished trial come last, in the
    order of the records. Equal means share a rank.

    Args:
        records: The trials, in any order.
        metric: What to rank by; None chooses (see `resolve_metric`).
        mode: "max" or "min"; None follows from the metric's name.
    """
    metric, direction = resolve_metric(records, metric, mode)
    cells: dict[str, list[TrialRecord]] = {}
    for record in sorted(records, key=lambda record: record.index):
        cells.setdefault(_cell(record), []).append(record)
    results = [_cell_result(found, metric, direction) for found in cells.values()]
    sign = -1 if direction == "max" else 1
    results.sort(
        key=lambda r: (r.value.n == 0, r.is_cut, sign * r.value.mean if r.value.n else 0.0)
    )
    return _with_ranks(results)


def value_of(record: TrialRecord, metric: str) -> float:
    """Return a trial's best value of a metric, its final one where there is no best, else NaN."""
    value = record.best.get(metric, record.final.get(metric))
    return math.nan if value is None else float(value)


def test_metric_of(finished: Iterable[TrialRecord], metric: str) -> str | None:
    """Return the name under which the test set has this metric; None where it has not."""
    bare = metric.removeprefix("val_").removeprefix("train_")
    names = {name for record in finished for name in record.test}
    return next((name for name in (f"test_{bare}", bare, metric) if name in names), None)


def to_json(
    records: Sequence[TrialRecord], metric: str | None = None, mode: str | None = None
) -> str:
    """Return the trials and the ranking as a JSON object.

    `trials` is a list in the documented order with the fields of `TrialRecord`; `ranking` a list
    with `rank`, `label`, `net_paras`, `opt_paras`, `mean`, `std`, `n`, `best`, `test_mean`,
    `test_std`, `failed`, `status` and `trials` (indices); `metric` and `mode` say what the ranking
    is by. What is NaN or infinite is null.
    """
    metric, direction = resolve_metric(records, metric, mode)
    ranking = [_cell_fields(result) for result in rank(records, metric, direction)]
    trials = [_record_fields(record) for record in sorted(records, key=lambda r: r.index)]
    whole = {"metric": metric, "mode": direction, "ranking": ranking, "trials": trials}
    return strict_json.dumps(whole)


def to_csv(records: Sequence[TrialRecord]) -> str:
    """Return one line for each trial, in the documented order.

    The columns are `index`, `label`, `repeat`, `seed`, `status`, `run_id`, `duration_s`, `key`,
    then the parameters (`net.*`, `opt.*`), then the metrics (`final.*`, `best.*`, `test.*`), then
    `error` (its last line).
    """
    rows = [_csv_row(record) for record in sorted(records, key=lambda record: record.index)]
    groups = ("net.", "opt.", "final.", "best.", "test.")
    found = dict.fromkeys(name for row in rows for name in row)
    first = ["index", "label", "repeat", "seed", "status", "run_id", "duration_s", "key"]
    middle = [name for group in groups for name in found if name.startswith(group)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*first, *middle, "error"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _mode(metric: str, mode: str | None) -> Mode:
    if mode is not None:
        return "max" if mode == "max" else "min"
    return "max" if any(word in metric.lower() for word in _LARGER_IS_BETTER) else "min"


def _cell(record: TrialRecord) -> str:
    return literal([record.net_paras, record.opt_paras])


def _cell_result(found: Sequence[TrialRecord], metric: str, mode: Mode) -> CellResult:
    finished = [record for record in found if record.status == FINISHED]
    values = [value_of(record, metric) for record in finished]
    broken_off = [value_of(r, metric) for r in found if r.status in (KILLED, STOPPED)]
    finite = [v for v in values if math.isfinite(v)] or list(filter(math.isfinite, broken_off))
    test_metric = test_metric_of(finished, metric)
    tested = [record.test.get(test_metric or "", math.nan) for record in finished]
    pick = max if mode == "max" else min
    return CellResult(
        rank=None,
        label=_without_repeat(found[0]),
        net_paras=found[0].net_paras,
        opt_paras=found[0].opt_paras,
        metric=metric,
        value=spread(values),
        best=pick(finite) if finite else math.nan,
        test=spread(tested),
        test_metric=test_metric,
        failed=sum(record.status not in SUCCEEDED for record in found),
        records=tuple(found),
    )


def _without_repeat(record: TrialRecord) -> str:
    return record.label.removesuffix(f"#{record.repeat}").rstrip() or record.label


def _as_good(one: CellResult, other: CellResult) -> bool:
    return (one.is_cut, one.value.mean) == (other.is_cut, other.value.mean)


def _with_ranks(results: Sequence[CellResult]) -> list[CellResult]:
    ranked: list[CellResult] = []
    for place, result in enumerate(results, start=1):
        if not result.value.n:
            ranked.append(result)
        elif ranked and _as_good(ranked[-1], result):
            ranked.append(replace(result, rank=ranked[-1].rank))
        else:
            ranked.append(replace(result, rank=place))
    return ranked


def _cell_fields(result: CellResult) -> dict[str, Any]:
    return {
        "rank": result.rank,
        "label": result.label,
        "net_paras": result.net_paras,
        "opt_paras": result.opt_paras,
        "mean": result.value.mean,
        "std": result.value.std,
        "n": result.value.n,
        "best": result.best,
        "test_mean": result.test.mean,
        "test_std": result.test.std,
        "failed": result.failed,
        "status": result.status,
        "trials": [record.index for record in result.records],
    }


def _record_fields(record: TrialRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in TrialRecord.__dataclass_fields__}


def _csv_row(record: TrialRecord) -> dict[str, Any]:
    row = {
        name: getattr(record, name)
        for name in ("index", "label", "repeat", "seed", "status", "run_id", "duration_s", "key")
    }
    row |= {n: v if isinstance(v, str) else literal(v) for n, v in record.columns.items()}
    for group in ("final", "best", "test"):
        row |= {f"{group}.{name}": value for name, value in getattr(record, group).items()}
    lines = (record.error or "").strip().splitlines()
    return {**row, "error": lines[-1] if lines else ""}
