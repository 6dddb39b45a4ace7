"""Whether the wanted metric is recorded is known from the first rows."""

import pytest

from akid.tuning.metric_check import MetricCheck

TRAINING = {"step": 5, "epoch": 0, "lr": 0.1, "train_loss": 1.0}
VALIDATION = {"step": 0, "epoch": 0, "val_loss": 1.0, "val_accuracy": 0.5}


@pytest.mark.parametrize("metric", [None, "val_accuracy", "train_loss", "train_los", "accuracy"])
def test_a_row_says_nothing_of_another_kind(metric: str | None) -> None:
    """Training rows may come long after the first validation."""
    assert MetricCheck(metric).fault([VALIDATION]) is None


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("val_acc", "val_accuracy, val_loss"),
        ("train_los", "lr, train_loss"),
        ("accuracy", "lr, train_loss, val_accuracy, val_loss"),
    ],
)
def test_a_name_that_is_not_there_is_told_once_with_what_is(metric: str, known: str) -> None:
    """As soon as a row of its kind has come; of no kind, one of each."""
    check = MetricCheck(metric)

    found = [check.fault([row]) for row in (TRAINING, VALIDATION, TRAINING, VALIDATION)]

    (fault,) = filter(None, found)
    assert f"expected one of {known}, got metric={metric!r}" in fault


def test_one_trial_that_has_it_is_enough() -> None:
    """Other networks may record other things."""
    check = MetricCheck("score")

    assert check.fault([VALIDATION, {**TRAINING, "score": 1.0}]) is None
    assert check.fault([VALIDATION, TRAINING]) is None
