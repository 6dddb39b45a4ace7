"""What an experiment may say about failures, time and waiting."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import ExperimentError
from akid.tuning import experiment
from akid.tuning.failure import Failure
from akid.tuning.limits import LIMITS, Limits, limit_faults

SETUP = "def setup():\n    return None\n"


def test_the_ledger_goes_by_what_the_experiment_says(tmp_path) -> None:
    """Each setting has its place in the policy; what is left out has its default."""
    file = tmp_path / "limited.py"
    file.write_text(
        "max_failures = 2\nretries = {'lost': 5, 'stalled': 0}\nmax_seconds = 60\n"
        f"stall_seconds = 7.5\nwait_seconds = None\nabort_after = 9\n{SETUP}"
    )

    policy = experiment.load(file).policy()

    found = {failure: policy.retries(failure) for failure in Failure}
    assert found == {
        "bug": 2,
        "memory": 1,
        "lost": 5,
        "stalled": 0,
        "timeout": 0,
        "unplaced": 0,
        "diverged": 0,
    }
    assert (policy.max_seconds, policy.stall_s, policy.wait_s) == (60, 7.5, None)
    assert policy.abort_after == 9


def test_all_wrong_limits_are_told_at_once(tmp_path) -> None:
    """Each says what was expected and what came in."""
    file = tmp_path / "limited.py"
    file.write_text(
        "max_failures = -1\nretries = {'lost': 1.5, 'bug': 1, 'diverged': 1}\nmax_seconds = 0\n"
        f"stall_seconds = 'long'\nwait_seconds = True\nabort_after = 1.0\n{SETUP}"
    )

    with pytest.raises(ExperimentError) as caught:
        experiment.load(file)

    for part in (
        "max_failures: expected an int of at least 0, got max_failures=-1",
        "retries: expected an int of at least 0 for 'lost', got 1.5",
        "expected the kinds of failure lost, memory, stalled, got 'bug'. Retries after a bug are",
        "got 'diverged'",
        "max_seconds: expected a number of seconds above 0, or None, got max_seconds=0.",
        "stall_seconds='long'",
        "wait_seconds=True",
        "abort_after: expected an int of at least 0, got abort_after=1.0",
    ):
        assert part in str(caught.value)


@given(st.sampled_from(LIMITS), st.one_of(st.none(), st.booleans(), st.integers(), st.floats()))
def test_what_is_accepted_gives_a_policy(name: str, value: object) -> None:
    """No value passes the check and fails later."""
    faults = limit_faults({name: value})
    if not faults:
        Limits(**{name: value}).policy()
    if isinstance(value, float) and not math.isfinite(value):
        assert faults
