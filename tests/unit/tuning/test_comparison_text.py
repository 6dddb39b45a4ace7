"""A comparison as Markdown, JSON and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest

from akid.tuning.compare import compare
from akid.tuning.comparison_text import conclusions, rows, to_csv, to_json, to_markdown
from akid.tuning.results import TrialRecord

RELU = [0.91, 0.92, 0.90, 0.915]
MAXOUT = [0.95, 0.96, 0.94]


def records(**acts: list[float]) -> list[TrialRecord]:
    """Trials of one network for each name; the learning rate alternates."""
    found = []
    for act, values in acts.items():
        for repeat, value in enumerate(values):
            found.append(
                TrialRecord(
                    index=len(found),
                    label=act,
                    repeat=repeat,
                    net_paras={"act": {"type": act}, "bn": True},
                    opt_paras={},
                    seed=repeat,
                    key=str(len(found)),
                    status="FINISHED",
                    best={"val_accuracy": value},
                )
            )
    return found


def test_markdown_is_a_table_with_its_method() -> None:
    """One line for each group, and how the differences were judged."""
    lines = to_markdown(compare(records(relu=RELU, maxout=MAXOUT)), top=1).splitlines()

    assert lines[0] == (
        "| rank | group | val_accuracy (mean ± std) | 95 % interval | n | best | against the best |"
    )
    assert lines[2] == (
        "| 1 | act=maxout | 0.9500 ± 0.0100 | 0.9252 to 0.9748 | 3 | 0.9600 | best |"
    )
    assert lines[-3:] == [
        "val_accuracy, larger is better; Welch's t test: the two differ at 0.05.",
        "",
        "- act=maxout is better than act=relu by 0.0387 (0.0188 to 0.0587, p = 0.0057)",
    ]


def test_test_metrics_and_unfinished_trials_have_columns_where_there_are_any() -> None:
    """And a warning stands below the table."""
    found = records(relu=[0.9, 0.8, 0.7])
    tested = [replace(r, test={"test_accuracy": 0.5}) for r in found[:2]]
    comparison = compare([*tested, replace(found[2], status="DIVERGED")])

    headers, (line,) = rows(comparison)
    shown = dict(zip(headers, line, strict=True))
    text = to_markdown(comparison, warnings=["mixed"])

    assert shown["test_accuracy (mean ± std)"] == "0.5000 ± 0.0000"
    assert (shown["n"], shown["unfinished"]) == ("2", "1 DIVERGED")
    assert "so none is judged" in text
    assert text.endswith("Warning: mixed\n")


def test_only_some_of_many_pairs_are_listed() -> None:
    """The rest is counted."""
    apart = {f"a{n}": [n / 10, n / 10 + 0.001, n / 10 + 0.002] for n in range(6)}

    lines = conclusions(compare(records(**apart)))

    assert len(lines) == 7
    assert lines[-1] == "and 9 more; --json has all pairs"


def test_json_and_csv_hold_the_numbers() -> None:
    """JSON has groups and pairs without NaN; CSV a line for each group."""
    comparison = compare(records(relu=RELU, one=[0.5]))

    found = json.loads(to_json(comparison), parse_constant=pytest.fail)
    lines = list(csv.DictReader(io.StringIO(to_csv(comparison))))

    assert found["groups"][1]["low"] is None
    assert found["groups"][0]["columns"] == {"net.act.type": "relu", "net.bn": True}
    assert found["differences"] == []
    assert [line["label"] for line in lines] == ["act=relu", "act=one"]
    assert (lines[1]["std"], lines[1]["unfinished"]) == ("", "0")


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    """Markdown's column mark is escaped."""
    text = to_markdown(compare(records(**{"a|b": [0.5], "c": [0.4]})))

    assert "a\\|b" in text


def test_nothing_is_an_empty_table() -> None:
    """No trials are no error."""
    assert len(to_markdown(compare([])).splitlines()) == 4
