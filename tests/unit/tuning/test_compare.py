"""Comparing: intervals, tests and their correction, groups, and what is written."""

import math
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from akid.errors import ExperimentError
from akid.tuning.compare import compare
from akid.tuning.comparison_text import rows
from akid.tuning.results import TrialRecord

RELU = [0.91, 0.92, 0.90, 0.915]
MAXOUT = [0.95, 0.96, 0.94]
ELU = [0.93, 0.97]

samples = st.lists(
    st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


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


def changed(record: TrialRecord, **changes: object) -> TrialRecord:
    fields = {name: getattr(record, name) for name in TrialRecord.__dataclass_fields__}
    return TrialRecord(**{**fields, **changes})  # type: ignore[arg-type]


def test_intervals_are_those_of_student() -> None:
    """The interval of a mean agrees with scipy's."""
    (group,) = compare(records(relu=RELU), confidence=0.9).groups

    low, high = stats.t.interval(0.9, len(RELU) - 1, mean(RELU), stats.sem(RELU))
    assert (group.low, group.high) == pytest.approx((low, high))


def test_pairs_are_tested_as_welch_does() -> None:
    """Each pair's p value and interval agree with scipy's test for unequal spreads."""
    found = compare(records(relu=RELU, maxout=MAXOUT, elu=ELU)).differences

    assert [(d.first, d.second) for d in found] == [
        ("act=maxout", "act=elu"),
        ("act=maxout", "act=relu"),
        ("act=elu", "act=relu"),
    ]
    expected = stats.ttest_ind(MAXOUT, RELU, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found[1].p == pytest.approx(expected.pvalue)
    assert (found[1].low, found[1].high) == pytest.approx((interval.low, interval.high))
    assert [d.is_significant for d in found] == [False, True, False]


@given(samples)
def test_every_trial_is_in_one_group(found: list[list[float]]) -> None:
    """Groups are sorted, complete, and their means lie in their intervals."""
    everything = records(**{f"a{i}": values for i, values in enumerate(found)})

    groups = compare(everything).groups

    assert sorted(i for g in groups for i in g.trials) == [r.index for r in everything]
    means = [group.value.mean for group in groups]
    assert means == sorted(means, reverse=True)
    assert all(g.low <= g.value.mean <= g.high for g in groups if g.value.n > 1)
    assert all(math.isnan(g.low) for g in groups if g.value.n == 1)


def test_what_does_not_spread_is_not_judged() -> None:
    """Two constant groups give no p value rather than a false certainty."""
    (difference,) = compare(records(a=[0.9, 0.9], b=[0.8, 0.8])).differences

    assert math.isnan(difference.p)
    assert not difference.is_significant


def test_a_group_of_one_is_not_tested() -> None:
    """A single trial has neither interval nor test."""
    comparison = compare(records(a=[0.9], b=[0.8, 0.7]))

    assert comparison.differences == ()
    assert rows(comparison)[1][1][-1] == "not judged"


def test_groups_join_what_shares_a_parameter() -> None:
    """`by` names a parameter, or a dict of them, and joins over all others."""
    one, two = records(relu=[0.5], elu=[0.7])
    found = [
        changed(record, index=i, opt_paras={"lr": lr})
        for i, (record, lr) in enumerate([(one, 1), (two, 1), (one, 2), (two, 2)])
    ]

    by_act = compare(found, by=["net.act"])
    by_lr = compare(found, by=["opt.lr"])

    assert [(g.label, g.trials) for g in by_act.groups] == [
        ("act=elu", (1, 3)),
        ("act=relu", (0, 2)),
    ]
    assert [(g.label, g.value.n) for g in by_lr.groups] == [("lr=1", 2), ("lr=2", 2)]
    assert [g.rank for g in by_lr.groups] == [1, 1]
    assert compare(found, by=["net.bn"]).groups[0].label == "net.bn=True"


def test_an_unknown_parameter_lists_the_known_ones() -> None:
    """A misspelt `--by` gets a suggestion."""
    with pytest.raises(ExperimentError, match=r"net.act.type, net.bn, got 'net.atc'. Did you mean"):
        compare(records(a=[1.0]), by=["net.atc"])


def test_a_confidence_outside_of_0_and_1_is_refused() -> None:
    """95 per cent is 0.95."""
    with pytest.raises(ExperimentError, match="got confidence=95"):
        compare([], confidence=95)


def test_failed_trials_are_counted() -> None:
    """They have no value, and a group of nothing else comes last without a rank."""
    good, bad = records(a=[0.1], b=[0.9])

    groups = compare([good, changed(bad, status="FAILED")]).groups

    assert [(g.rank, g.unfinished) for g in groups] == [(1, {}), (None, {"FAILED": 1})]


def test_a_smaller_loss_is_better() -> None:
    """The direction follows the metric."""
    one, two = records(a=[0.1], b=[0.9])
    found = [changed(r, best={"val_loss": v}) for r, v in ((one, 2.0), (two, 1.0))]

    assert [g.label for g in compare(found).groups] == ["act=b", "act=a"]


def test_nothing_is_compared_with_nothing() -> None:
    """No trials are no error."""
    comparison = compare([])

    assert comparison.groups == ()
    assert comparison.differences == ()
