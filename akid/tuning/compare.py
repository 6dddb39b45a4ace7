"""Compare: how sure the differences between combinations, or groups of them, are.

Each group's mean has a confidence interval, every pair of groups a test, and the tests of all pairs
are corrected together (see `akid.tuning.significance`). Groups of one trial, and pairs in which
nothing spreads, are not judged.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from akid.errors import ExperimentError
from akid.tuning.grid import Paras
from akid.tuning.label import ShortColumns
from akid.tuning.literal import literal
from akid.tuning.results import (
    FINISHED,
    Mode,
    Spread,
    TrialRecord,
    resolve_metric,
    spread,
    test_metric_of,
    value_of,
)
from akid.tuning.significance import half_width, holm, welch


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Trials that are looked at together.

    Attributes:
        rank: Its place, from 1; None without a finished trial.
        label: What its trials have in common.
        columns: The same as dotted names and values.
        value: The metric over the finished trials.
        low: The lower end of the mean's confidence interval; NaN of fewer than two.
        high: The upper end.
        best: The best value; NaN of none.
        test: The same metric on the test set, of the best weights, over the finished trials.
        statuses: How many trials have which status.
        trials: The trials' indices.
        run_ids: The trials' runs in the store, where they have any.
    """

    rank: int | None
    label: str
    columns: Mapping[str, Any]
    value: Spread
    low: float
    high: float
    best: float
    test: Spread
    statuses: Mapping[str, int]
    trials: tuple[int, ...]
    run_ids: tuple[str, ...]

    @property
    def unfinished(self) -> dict[str, int]:
        """How many trials have which other status than FINISHED."""
        return {status: n for status, n in self.statuses.items() if status != FINISHED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How far two groups are apart, and whether chance explains it.

    Attributes:
        first: The better group's label.
        second: The other's label.
        mean: The first mean minus the second.
        low: The lower end of the difference's confidence interval, for this pair alone.
        high: The upper end.
        p: The p value of Welch's test for this pair alone; NaN where it can't be judged.
        p_holm: The p value after the correction for all pairs.
        is_significant: Whether the corrected p value is below 1 minus the confidence.
    """

    first: str
    second: str
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    is_significant: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Groups from the best to the worst, and the differences of all pairs.

    Attributes:
        metric: What is compared.
        mode: Whether "max" or "min" of it is best.
        test_metric: What the test set calls it; None where it has not.
        confidence: Of the intervals and the tests, for example 0.95.
        groups: The groups in their order.
        differences: Each pair of groups with at least two finished trials each, in the groups'
            order.
    """

    metric: str
    mode: Mode
    test_metric: str | None
    confidence: float
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]

    def against_best(self, group: Group) -> Difference | None:
        """Return the difference between the best group and this one, if it was tested."""
        best = self.groups[0].label
        pairs = (d for d in self.differences if d.first == best and d.second == group.label)
        return next(pairs, None)

    @property
    def significant(self) -> list[Difference]:
        """The differences that chance does not explain."""
        return [difference for difference in self.differences if difference.is_significant]


def compare(
    records: Sequence[TrialRecord],
    *,
    by: Sequence[str] = (),
    metric: str | None = None,
    mode: str | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compare the combinations of parameters, or the groups that share the parameters in `by`.

    Args:
        records: The trials.
        by: Dotted names such as `net.activation`; none for every combination by itself.
        metric: What to compare; None chooses as a ranking does.
        mode: "max" or "min"; None follows from the metric's name.
        confidence: Between 0 and 1.

    Raises:
        ExperimentError: If a name in `by`, the metric or the mode is unknown, or the confidence is
            not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ExperimentError(
            f"compare: expected a confidence between 0 and 1, got confidence={confidence!r}."
        )
    metric, direction = resolve_metric(records, metric, mode)
    sorted_records = sorted(records, key=lambda record: record.index)
    test_metric = test_metric_of((r for r in records if r.status == FINISHED), metric)
    samples = [
        _Sample.of(label, columns, found, metric, test_metric)
        for label, columns, found in _grouped(sorted_records, by)
    ]
    sign = -1 if direction == "max" else 1
    samples.sort(key=lambda s: (s.value.n == 0, sign * s.value.mean if s.value.n else 0.0))
    groups = [sample.group(direction, confidence) for sample in samples]
    return Comparison(
        metric=metric,
        mode=direction,
        test_metric=test_metric,
        confidence=confidence,
        groups=tuple(_with_ranks(groups)),
        differences=tuple(_differences(groups, confidence)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """A group's finite values, before it is judged."""

    label: str
    columns: Mapping[str, Any]
    values: tuple[float, ...]
    value: Spread
    test: Spread
    records: tuple[TrialRecord, ...]

    @classmethod
    def of(
        cls,
        label: str,
        columns: Mapping[str, Any],
        found: Sequence[TrialRecord],
        metric: str,
        test_metric: str | None,
    ) -> "_Sample":
        finished = [record for record in found if record.status == FINISHED]
        known = [value_of(record, metric) for record in finished]
        values = tuple(value for value in known if math.isfinite(value))
        tested = [record.test.get(test_metric or "", math.nan) for record in finished]
        return cls(
            label=label,
            columns=columns,
            values=values,
            value=spread(values),
            test=spread(tested),
            records=tuple(found),
        )

    def group(self, mode: Mode, confidence: float) -> Group:
        half = half_width(self.value, confidence)
        pick = max if mode == "max" else min
        return Group(
            rank=None,
            label=self.label,
            columns=self.columns,
            value=self.value,
            low=self.value.mean - half,
            high=self.value.mean + half,
            best=pick(self.values) if self.values else math.nan,
            test=self.test,
            statuses=Counter(record.status for record in self.records),
            trials=tuple(record.index for record in self.records),
            run_ids=tuple(record.run_id for record in self.records if record.run_id),
        )


def _grouped(
    records: Sequence[TrialRecord], by: Sequence[str]
) -> list[tuple[str, dict[str, Any], list[TrialRecord]]]:
    """Return label, common parameters and trials of each group, in the records' order."""
    known = list(dict.fromkeys(name for record in records for name in record.columns))
    names = known if not by else [name for asked in by for name in _columns(asked, known)]
    found: dict[str, tuple[dict[str, Any], list[TrialRecord]]] = {}
    for record in records:
        shared = {name: record.columns[name] for name in names if name in record.columns}
        found.setdefault(literal(shared), (shared, []))[1].append(record)
    label = _Labels(records, names if by else None)
    return [(label.of(shared), shared, trials) for shared, trials in found.values()]


def _columns(asked: str, known: Sequence[str]) -> list[str]:
    """Return the columns that a name in `by` means: itself, or all below it."""
    found = [name for name in known if name == asked or name.startswith(f"{asked}.")]
    if not found:
        close = get_close_matches(asked, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        listed = ", ".join(known) or "(none)"
        raise ExperimentError(
            f"--by: expected one of the parameters {listed}, got {asked!r}.{hint}"
        )
    return found


class _Labels:
    """Short names of groups, from the parameters in which all trials differ."""

    def __init__(self, records: Sequence[TrialRecord], names: Sequence[str] | None) -> None:
        nets: dict[str, Paras] = {literal(r.net_paras): r.net_paras for r in records}
        opts: dict[str, Paras] = {literal(r.opt_paras): r.opt_paras for r in records}
        self._short = ShortColumns(list(nets.values()), list(opts.values()))
        self._names = names

    def of(self, shared: Mapping[str, Any]) -> str:
        texts = zip(self._short.headers, self._short.texts(shared), strict=True)
        words = [f"{header}={text}" for header, text in texts if text]
        constant = [name for name in self._names or () if name not in self._short.names]
        words += [f"{name}={literal(shared[name])}" for name in constant if name in shared]
        return " ".join(words) or ("without" if self._names else "all")


def _differences(groups: Sequence[Group], confidence: float) -> list[Difference]:
    judged = [group for group in groups if group.value.n >= 2]
    found = [_difference(first, second, confidence) for first, second in combinations(judged, 2)]
    corrected = holm([difference.p for difference in found])
    return [
        Difference(
            first=difference.first,
            second=difference.second,
            mean=difference.mean,
            low=difference.low,
            high=difference.high,
            p=difference.p,
            p_holm=p_holm,
            is_significant=p_holm < 1 - confidence,
        )
        for difference, p_holm in zip(found, corrected, strict=True)
    ]


def _difference(first: Group, second: Group, confidence: float) -> Difference:
    delta = first.value.mean - second.value.mean
    p, half = welch(first.value, second.value, confidence)
    return Difference(
        first=first.label,
        second=second.label,
        mean=delta,
        low=delta - half,
        high=delta + half,
        p=p,
        p_holm=math.nan,
        is_significant=False,
    )


def _with_ranks(groups: Sequence[Group]) -> list[Group]:
    means = [group.value.mean for group in groups]
    return [
        replace(group, rank=means.index(group.value.mean) + 1) if group.value.n else group
        for group in groups
    ]
