"""Whether what was trained again is the same."""

import math
import sys

import pytest

from akid.tuning.history import StoredRun
from akid.tuning.plan import KnownRun
from akid.tuning.replay import Replay, Verdict, replay, verdicts
from akid.tuning.run_text import replayed

KNOWN = KnownRun(
    key="k",
    run_id="r",
    status="FINISHED",
    final={"val_loss": 0.5, "samples_per_s": 7.0},
    best={"val_loss": 0.25, "step": 3.0},
    test={"test_loss": math.nan},
)
SAME = {
    "final": {"step": 9, "val_loss": 0.5, "samples_per_s": 8.0},
    "best": {"val_loss": 0.25, "step": 3},
    "test": {"test_loss": math.nan},
}


def run(known: KnownRun) -> StoredRun:
    return StoredRun(
        known=known,
        experiment="e",
        label="l",
        index=0,
        repeat=0,
        columns={},
        tags={},
        parent_id="",
    )


def test_the_same_numbers_repeat_a_run() -> None:
    """NaN is the same as NaN; how fast it was does not count, nor does the last step's number."""
    found = Replay(verdicts=verdicts(KNOWN, SAME))

    assert found.repeats(KNOWN)
    assert {v.name for v in found.verdicts} == {
        *("best/val_loss", "best/step", "test_loss"),
        *("val_loss", "samples_per_s"),
    }
    text = replayed(run(KNOWN), found)
    assert text.endswith("equal to the last digit: 4 of 4 metrics")
    assert "not compared: samples_per_s 7 then, 8 now" in text


@pytest.mark.parametrize(
    ("kind", "metrics"),
    [
        ("final", {"val_loss": math.nextafter(0.5, 1)}),
        ("final", {}),
        ("best", {**SAME["best"], "val_accuracy": 1.0}),
        ("test", {"test_loss": 0.0}),
    ],
)
def test_the_last_digit_counts(kind, metrics) -> None:
    """And a metric that only one of them has is a difference."""
    found = Replay(verdicts=verdicts(KNOWN, {**SAME, kind: metrics}))

    assert not found.repeats(KNOWN)
    assert replayed(run(KNOWN), found).count("DIFFERS") == 1


def test_infinity_is_what_the_database_keeps_of_it() -> None:
    """Its largest number, with the sign."""
    known = KnownRun(key="k", run_id="r", status="FINISHED", final={"a": -sys.float_info.max})

    (verdict,) = verdicts(known, {"final": {"a": -math.inf}, "best": {}, "test": {}})
    assert verdict == Verdict(name="a", recorded=-sys.float_info.max, replayed=-sys.float_info.max)


def test_the_same_error_repeats_a_run_that_failed() -> None:
    """Whatever the module of its class is called; another error, or none, does not."""
    failed = KnownRun(key="k", run_id="r", status="DIVERGED", error="...\nDivergedError: step 3")
    same = Replay(error="akid.errors.DivergedError: step 3")

    assert same.repeats(failed)
    assert "as recorded" in replayed(run(failed), same)
    assert not Replay(error="ValueError: no").repeats(failed)
    assert not same.repeats(KNOWN)
    assert not Replay(verdicts=verdicts(failed, {**SAME, "final": {}})).repeats(failed)


def test_a_process_that_dies_is_a_failure(tmp_path) -> None:
    """It leaves no metrics behind."""
    program = tmp_path / "trial.py"
    program.write_text("import os\nos._exit(7)\n", encoding="utf-8")

    assert replay(KNOWN, program, tmp_path).error == "the process ended with exit code 7"
