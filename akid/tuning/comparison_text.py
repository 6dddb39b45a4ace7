"""Comparison text: a comparison as Markdown, JSON, CSV, or rows for a table."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, Final

from akid.tuning import markdown, strict_json
from akid.tuning.compare import Comparison, Difference, Group
from akid.tuning.number_text import number, spread

_LISTED_PAIRS: Final = 6


def rows(comparison: Comparison, top: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Return a table's headers and its rows as texts: the best `top` groups, or all.

    Columns in which no row has anything are left out.
    """
    percent = f"{comparison.confidence * 100:g} %"
    headers = ["rank", "group", f"{comparison.metric} (mean ± std)", f"{percent} interval"]
    headers += ["n", "best", f"{comparison.test_metric} (mean ± std)", "unfinished"]
    headers += ["against the best"]
    lines = [_row(comparison, group) for group in comparison.groups[:top]]
    kept = [n for n in range(len(headers)) if not lines or any(line[n] for line in lines)]
    return [headers[n] for n in kept], [[line[n] for n in kept] for line in lines]


def to_markdown(
    comparison: Comparison, top: int | None = None, *, warnings: Sequence[str] = ()
) -> str:
    """Return the comparison as a Markdown table with lines on how it was made."""
    headers, lines = rows(comparison, top)
    text = markdown.table(headers, lines)
    pairs = [f"- {line}" for line in conclusions(comparison)]
    parts = [text, method(comparison), *(["\n".join(pairs)] if pairs else [])]
    return "\n\n".join([*parts, *(f"Warning: {warning}" for warning in warnings)]) + "\n"


def method(comparison: Comparison) -> str:
    """Return a sentence on how the differences were judged."""
    found, significant = comparison.differences, len(comparison.significant)
    better = "larger" if comparison.mode == "max" else "smaller"
    head = f"{comparison.metric}, {better} is better"
    if not found:
        return f"{head}; no two groups have two finished trials each, so none is judged."
    level = f"at {1 - comparison.confidence:.2g}"
    if len(found) == 1:
        return f"{head}; Welch's t test: the two {'' if significant else 'do not '}differ {level}."
    return (
        f"{head}; Welch's t test, Holm's correction for {len(found)} pairs: {significant} of them"
        f" differ{'s' * (significant == 1)} {level}."
    )


def conclusions(comparison: Comparison) -> list[str]:
    """Return a line for each pair that differs, and how many more there are than are listed."""
    found = comparison.significant
    lines = [
        f"{pair.first} is better than {pair.second} by {number(abs(pair.mean))}"
        f" ({number(_nearest(pair))} to {number(_farthest(pair))}, p = {pair.p_holm:.2g})"
        for pair in found[:_LISTED_PAIRS]
    ]
    more = len(found) - _LISTED_PAIRS
    return [*lines, f"and {more} more; --json has all pairs"] if more > 0 else lines


def to_json(comparison: Comparison, top: int | None = None, *, warnings: Sequence[str] = ()) -> str:
    """Return the comparison as JSON with the fields of `Group` and `Difference`; NaN is null.

    A group's `value` is split into `mean`, `std` and `n`, its `test` into `test_mean` and
    `test_std`. All pairs are in it, whatever `top` is.
    """
    return strict_json.dumps(
        {
            "metric": comparison.metric,
            "mode": comparison.mode,
            "test_metric": comparison.test_metric,
            "confidence": comparison.confidence,
            "groups": [_group_fields(group) for group in comparison.groups[:top]],
            "differences": [_fields(difference) for difference in comparison.differences],
            "warnings": list(warnings),
        }
    )


def to_csv(comparison: Comparison, top: int | None = None) -> str:
    """Return a line for each group: its rank, label, numbers and unfinished trials."""
    names = ["rank", "label", "mean", "std", "n", "low", "high", "best", "test_mean", "test_std"]
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, [*names, "unfinished"], extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    for group in comparison.groups[:top]:
        fields = {**_group_fields(group), "unfinished": sum(group.unfinished.values())}
        writer.writerow({name: _cell(value) for name, value in fields.items()})
    return stream.getvalue()


def _row(comparison: Comparison, group: Group) -> list[str]:
    value = group.value
    return [
        "-" if group.rank is None else str(group.rank),
        group.label,
        spread(value),
        "-" if math.isnan(group.low) else f"{number(group.low)} to {number(group.high)}",
        str(value.n),
        number(group.best),
        spread(group.test) if comparison.test_metric else "",
        ", ".join(f"{n} {status}" for status, n in group.unfinished.items()),
        _against_best(comparison, group),
    ]


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _against_best(comparison: Comparison, group: Group) -> str:
    if group is comparison.groups[0] and group.value.n:
        return "best"
    difference = comparison.against_best(group)
    if difference is None or math.isnan(difference.p_holm):
        return "not judged"
    word = "worse" if difference.is_significant else "may be chance"
    return f"{word} (p = {difference.p_holm:.2g})"


def _nearest(pair: Difference) -> float:
    return min(abs(pair.low), abs(pair.high))


def _farthest(pair: Difference) -> float:
    return max(abs(pair.low), abs(pair.high))


def _group_fields(group: Group) -> dict[str, Any]:
    fields = _fields(group)
    value, test = fields.pop("value"), fields.pop("test")
    head = {name: fields.pop(name) for name in ("rank", "label", "columns")}
    parts = {"mean": value.mean, "std": value.std, "n": value.n}
    return {**head, **parts, **fields, "test_mean": test.mean, "test_std": test.std}


def _fields(value: Group | Difference) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
