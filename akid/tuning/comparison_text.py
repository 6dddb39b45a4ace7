"""Comparison text: a comparison as Markdown, JSON, CSV, or rows for a table."""

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from akid.tuning.compare import Comparison, Difference, Group


def rows(comparison: Comparison, top: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Return a table's headers and its rows as texts: the best `top` groups, or all."""
    percent = f"{comparison.confidence * 100:g} %"
    headers = ["rank", "group", f"{comparison.metric} (mean ± std)", f"{percent} interval"]
    headers += ["n", "best", "failed", "against the best"]
    return headers, [_row(comparison, group) for group in comparison.groups[:top]]


def to_markdown(comparison: Comparison, top: int | None = None) -> str:
    """Return the comparison as a Markdown table with a line on how it was made."""
    headers, lines = rows(comparison, top)
    table = [headers, ["---"] * len(headers), *lines]
    text = "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in table)
    return f"{text}\n\n{method(comparison)}\n"


def method(comparison: Comparison) -> str:
    """Return a sentence on how the differences were judged."""
    found = comparison.differences
    significant = sum(difference.is_significant for difference in found)
    better = "larger" if comparison.mode == "max" else "smaller"
    return (
        f"{comparison.metric}, {better} is better; Welch's t test, Holm's correction for"
        f" {len(found)} pairs: {significant} of them differ at {1 - comparison.confidence:.2g}."
    )


def to_json(comparison: Comparison, top: int | None = None) -> str:
    """Return the comparison as JSON with the fields of `Group` and `Difference`; NaN is null.

    A group's `value` is split into `mean`, `std` and `n`. All pairs are in it, whatever `top` is.
    """
    groups = [_group_fields(group) for group in comparison.groups[:top]]
    pairs = [_fields(difference) for difference in comparison.differences]
    whole = {
        "metric": comparison.metric,
        "mode": comparison.mode,
        "confidence": comparison.confidence,
        "groups": groups,
        "differences": pairs,
    }
    return json.dumps(whole, indent=2, allow_nan=False)


def to_csv(comparison: Comparison, top: int | None = None) -> str:
    """Return a line for each group: its rank, label, numbers and failures."""
    names = ["rank", "label", "mean", "std", "n", "low", "high", "best", "failed"]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_group_fields(group) for group in comparison.groups[:top])
    return stream.getvalue()


def _row(comparison: Comparison, group: Group) -> list[str]:
    value = group.value
    middle = "-" if not value.n else f"{value.mean:.4g}"
    middle += f" ± {value.std:.2g}" if value.n > 1 else ""
    return [
        "-" if group.rank is None else str(group.rank),
        group.label,
        middle,
        "-" if math.isnan(group.low) else f"{group.low:.4g} to {group.high:.4g}",
        str(value.n),
        "-" if math.isnan(group.best) else f"{group.best:.4g}",
        str(group.failed),
        _against_best(comparison, group),
    ]


def _against_best(comparison: Comparison, group: Group) -> str:
    if group is comparison.groups[0] and group.value.n:
        return "best"
    difference = comparison.against_best(group)
    if difference is None or math.isnan(difference.p_holm):
        return "not judged"
    word = "differs" if difference.is_significant else "may be chance"
    return f"{word} (p = {difference.p_holm:.2g})"


def _group_fields(group: Group) -> dict[str, Any]:
    fields = _fields(group)
    value = fields.pop("value")
    parts = {"mean": value.mean, "std": value.std, "n": value.n}
    return {**fields, **{name: _finite(part) for name, part in parts.items()}}


def _fields(value: Group | Difference) -> dict[str, Any]:
    return {name: _finite(getattr(value, name)) for name in value.__dataclass_fields__}


def _finite(value: Any) -> Any:
    """Return None in the place of a number that JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return value
