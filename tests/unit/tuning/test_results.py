"""Results: ranking over repeats, and what is written to files."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import ExperimentError
from akid.tuning.results import (
    STATUSES,
    Spread,
    TrialRecord,
    rank,
    resolve_metric,
    spread,
    to_csv,
    to_json,
)

values = st.floats(allow_nan=True, allow_infinity=True, width=32)
outcomes = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(STATUSES), values), max_size=12)


def record(index: int, lr: float, value: float, **changes: object) -> TrialRecord:
    fields: dict[str, object] = {
        "index": index,
        "label": f"lr={lr:g} #{index}",
        "repeat": index,
        "net_paras": {},
        "opt_paras": {"lr": lr},
        "seed": index,
        "key": f"key{index}",
        "status": "FINISHED",
        "final": {"val_accuracy": value - 0.1, "epoch": 3},
        "best": {"val_accuracy": value},
        "test": {"test_accuracy": value - 0.2},
        **changes,
    }
    return TrialRecord(**fields)  # type: ignore[arg-type]


def test_combinations_are_ranked_by_their_mean() -> None:
    """Repeats are joined; the best mean comes first, with spread, n, best and test."""
    first, second = rank(
        [record(0, 0.1, 0.5), record(1, 0.2, 0.75), record(2, 0.1, 0.75), record(3, 0.2, 0.75)]
    )

    assert (first.rank, first.opt_paras, first.value) == (
        1,
        {"lr": 0.2},
        Spread(mean=0.75, std=0, n=2),
    )
    assert second.rank == 2
    assert second.value.mean == 0.625
    assert second.value.std == pytest.approx(0.25 / math.sqrt(2))
    assert (second.best, second.label, second.status) == (0.75, "lr=0.1", "FINISHED")
    assert second.test.mean == pytest.approx(0.425)
    assert second.test_metric == "test_accuracy"


def test_a_loss_is_better_when_smaller() -> None:
    """The direction follows from the metric's name, and `mode` overrules it."""
    records = [record(i, i, 0, final={"val_loss": i}, best={"val_loss": i}) for i in (1, 2)]

    assert [r.opt_paras["lr"] for r in rank(records)] == [1, 2]
    assert [r.opt_paras["lr"] for r in rank(records, "val_loss", "max")] == [2, 1]
    assert rank(records)[0].best == 1


def test_failed_trials_are_counted_and_not_averaged() -> None:
    """Deficiency of the first akid (9): failed trials were invisible."""
    records = [
        record(0, 0.1, 0.5),
        record(1, 0.1, 0.9, status="DIVERGED"),
        record(2, 0.2, 0.0, status="FAILED", final={}, best={}),
    ]

    best, last = rank(records)

    assert (best.value.n, best.value.mean, best.failed) == (1, 0.5, 1)
    assert best.status == "1 FINISHED, 1 DIVERGED"
    assert (last.rank, last.status, last.failed) == (None, "FAILED", 1)
    assert math.isnan(last.best)


def test_best_and_final_are_kept_apart() -> None:
    """Deficiency of the first akid (13): best and final were not told apart."""
    (line,) = csv.DictReader(io.StringIO(to_csv([record(0, 0.1, 0.5)])))

    assert (line["best.val_accuracy"], line["final.val_accuracy"]) == ("0.5", "0.4")


def test_equal_means_share_a_rank() -> None:
    """After a tie the next rank is skipped."""
    records = [record(i, i, value) for i, value in enumerate((0.5, 0.9, 0.5, 0.1))]

    assert [r.rank for r in rank(records)] == [1, 2, 2, 4]


@given(outcomes)
def test_ranking_loses_no_trial_and_is_sorted(found: list[tuple[int, str, float]]) -> None:
    """Each trial is in one combination, means never get better downwards, the rest comes last."""
    records = [
        record(index, lr, value, status=status) for index, (lr, status, value) in enumerate(found)
    ]

    results = rank(records, "val_accuracy")

    assert sorted(r.index for result in results for r in result.records) == [*range(len(records))]
    means = [(not r.is_cut, r.value.mean) for r in results if r.value.n]
    assert means == sorted(means, reverse=True)
    ranks = [result.rank for result in results]
    assert ranks[: len(means)] == [1 + sum(m > mean for m in means) for mean in means]
    assert ranks[len(means) :] == [None] * (len(ranks) - len(means))


@given(outcomes, st.randoms(use_true_random=False))
def test_ranking_does_not_depend_on_the_order_of_records(
    found: list[tuple[int, str, float]], random: object
) -> None:
    """Records arrive as trials end."""
    records = [
        record(index, lr, value, status=status) for index, (lr, status, value) in enumerate(found)
    ]
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert to_json(records, "val_accuracy") == to_json(shuffled, "val_accuracy")


@given(st.lists(st.floats(-1e6, 1e6)), st.floats(-1e3, 1e3))
def test_spread_follows_the_values(found: list[float], shift: float) -> None:
    """The mean lies among the values; NaN and infinities are left out."""
    result = spread([*found, math.nan, math.inf])

    assert result.n == len(found)
    if found:
        slack = 1e-9 * max(1.0, *map(abs, found))
        assert min(found) - slack <= result.mean <= max(found) + slack
        assert spread([v + shift for v in found]).mean == pytest.approx(
            result.mean + shift, abs=1e-6
        )
    if len(found) > 1:
        assert result.std >= 0
    else:
        assert math.isnan(result.std)


def test_equal_values_have_no_spread() -> None:
    """Rounding does not make a deviation out of nothing."""
    assert spread([0.1] * 3).std == 0


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"val_accuracy": 1, "val_loss": 1}, ("val_accuracy", "max")),
        ({"train_loss": 1, "val_loss": 1, "step": 9}, ("val_loss", "min")),
        ({"epoch": 1, "perplexity": 1}, ("perplexity", "min")),
        ({}, ("val_accuracy", "max")),
    ],
)
def test_the_metric_is_chosen_from_what_was_recorded(metrics: object, expected: object) -> None:
    """The validation accuracy, else the validation loss, else the first metric."""
    assert resolve_metric([record(0, 0, 0, final=metrics, best={})]) == expected


def test_what_broke_off_shows_what_it_came_to_without_a_rank() -> None:
    """Where nothing of the combination has finished; what failed has no value."""
    half = {"final": {"val_accuracy": 0.6}, "best": {}}

    first, second, third = rank(
        [
            record(0, 0.1, 0.5, status="KILLED", **half),
            record(1, 0.2, 0.5),
            record(2, 0.2, 0.5, status="KILLED", **half),
            record(3, 0.3, 0.5, status="FAILED", **half),
        ]
    )

    assert (first.rank, first.value.n, first.best) == (1, 1, 0.5)
    assert (second.rank, second.value.n, second.best) == (None, 0, 0.6)
    assert math.isnan(third.best)


def test_an_unknown_metric_lists_the_known_ones() -> None:
    """A misspelt metric is told, without the bookkeeping columns."""
    with pytest.raises(ExperimentError, match="expected one of val_accuracy, got metric='acc'"):
        rank([record(0, 0, 0)], "acc")


def test_an_unknown_mode_is_refused() -> None:
    """There are two directions."""
    with pytest.raises(ExperimentError, match="got mode='up'"):
        resolve_metric([], None, "up")


def test_nothing_gives_an_empty_ranking() -> None:
    """No records are no error."""
    assert rank([]) == []
    assert json.loads(to_json([]))["trials"] == []


def test_json_has_the_documented_fields_and_no_nan() -> None:
    """What is NaN is null, and the trials come in the documented order."""
    text = to_json([record(1, 0.2, math.nan), record(0, 0.1, 0.5)])

    found = json.loads(text, parse_constant=pytest.fail)

    assert [trial["index"] for trial in found["trials"]] == [0, 1]
    assert found["trials"][1]["best"] == {"val_accuracy": None}
    assert (found["metric"], found["mode"]) == ("val_accuracy", "max")
    assert list(found["ranking"][0]) == [
        "rank", "label", "net_paras", "opt_paras", "mean", "std", "n",
        "best", "test_mean", "test_std", "failed", "status", "trials",
    ]  # fmt: skip


def test_csv_has_the_documented_columns() -> None:
    """Parameters, then metrics, then the last line of the error; strings as they are."""
    records = [
        record(0, 0.1, 0.5, net_paras={"act": "a,b"}),
        record(1, 0.2, 0.5, status="FAILED", error="Traceback\nValueError: x"),
    ]

    rows = list(csv.DictReader(io.StringIO(to_csv(records))))

    assert list(rows[0]) == [
        "index", "label", "repeat", "seed", "status", "run_id", "duration_s", "key", "net.act",
        "opt.lr", "final.val_accuracy", "final.epoch", "best.val_accuracy", "test.test_accuracy",
        "error",
    ]  # fmt: skip
    assert (rows[0]["net.act"], rows[1]["net.act"]) == ("a,b", "")
    assert rows[1]["error"] == "ValueError: x"


def test_a_combination_that_was_stopped_in_part_comes_after_the_whole_ones() -> None:
    """The mean of the repeats that were not stopped is too good to be compared."""
    records = [
        record(0, 0.1, 0.9, status="STOPPED"),
        record(1, 0.1, 0.99),
        record(2, 0.2, 0.8),
        record(3, 0.3, 0.7, status="STOPPED"),
    ]

    results = rank(records, "val_accuracy")

    assert [result.label for result in results] == ["lr=0.2", "lr=0.1", "lr=0.3"]
    assert [result.rank for result in results] == [1, 2, None]
    assert [result.failed for result in results] == [0, 0, 0]
    assert results[1].status == "1 STOPPED, 1 FINISHED"
