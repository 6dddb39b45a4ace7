"""The plan: what runs, what doesn't, and why."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.resources import ResourceRequest
from akid.errors import ExperimentError
from akid.tuning.experiment import Experiment
from akid.tuning.failure import Failure
from akid.tuning.plan import RERUNS, KnownRun, Plan, by_key, make_plan
from akid.tuning.rows import Left
from akid.tuning.template import Template
from akid.tuning.trial import Trial

SOURCE = 'def setup():\n    return {{ opt_paras["lr"] }}\n'
STATUSES = ("FINISHED", "FAILED", "DIVERGED", "KILLED", "RUNNING")


def planned(
    known: list[KnownRun] | None = None,
    rerun: str = "missing",
    source: str = SOURCE,
    lrs: tuple[float, ...] = (0.1, 0.2),
    left: Callable[[KnownRun], Left | None] = lambda _: None,
    versions: dict[str, str] | None = None,
) -> Plan:
    experiment = Experiment(
        name="test",
        template=Template(source, "test.py"),
        opt_paras_list=[{"lr": lr} for lr in lrs],
        repeat_times=2,
    )
    requests = [ResourceRequest()] * experiment.n_instances
    return make_plan(experiment, requests, by_key(known or []), rerun, left=left, versions=versions)


def run_of(trial: Trial, status: str, *, started_s: float = 0.0) -> KnownRun:
    return KnownRun(
        key=trial.key,
        run_id=f"ab12cd34{trial.index}{status}",
        status=status,
        cell_key=trial.cell_key,
        source_key=trial.source_key,
        seed=trial.seed,
        started_s=started_s,
    )


def left_at(step: int, result: dict | None = None) -> Callable[[KnownRun], Left]:
    return lambda _: Left(rows=[{"step": step}], result=result)


TRIALS = [p.trial for p in planned().trials]


def test_what_is_new_runs() -> None:
    """Without earlier runs all trials run, in the documented order."""
    plan = planned()

    assert [p.reason for p in plan.trials] == ["new"] * 4
    assert [t.index for t in plan.to_run] == [0, 1, 2, 3]
    assert plan.columns == ("opt.lr",)


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        ("RUNNING", None, "interrupted at step 40: goes on"),
        ("KILLED", None, "killed at step 40: goes on"),
        ("RUNNING", {"final": {}}, "interrupted after its end"),
    ],
)
def test_a_trial_that_broke_off_goes_on(status: str, result: dict | None, reason: str) -> None:
    """The plan says from where, and which run is opened again."""
    run = run_of(TRIALS[1], status)

    plan = planned([run], left=left_at(40, result))

    assert [p.reason for p in plan.trials] == ["new", reason, "new", "new"]
    assert plan.broken_off == {1: run}


def test_a_run_that_broke_off_without_a_word_is_opened_again() -> None:
    """Its trial begins anew; one that has rows, but left nothing on disk, stays as it is."""
    silent = run_of(TRIALS[0], "KILLED")
    heard = replace(run_of(TRIALS[1], "KILLED"), final={"val_loss": 1.0})

    plan = planned([silent, heard])

    assert plan.reopened == {0: silent}
    assert plan.broken_off == {}


@pytest.mark.parametrize("status", ["FAILED", "DIVERGED", "FINISHED"])
def test_what_came_to_an_end_does_not_go_on(status: str) -> None:
    """What failed begins anew: who runs it again has changed something that is not in its key."""
    runs = [run_of(trial, status) for trial in TRIALS]

    assert planned(runs, left=left_at(40)).broken_off == {}


@pytest.mark.parametrize("failure", Failure)
def test_what_failed_without_an_error_of_its_program_goes_on(failure: Failure) -> None:
    """As its retries have done; after an error it begins anew."""
    run = replace(run_of(TRIALS[0], "FAILED"), failure=str(failure))

    plan = planned([run], left=left_at(40))

    goes_on = failure not in ("bug", "diverged")
    assert plan.broken_off == ({0: run} if goes_on else {})
    reason = f"failed ({failure}) " + ("at step 40: goes on" if goes_on else "before")
    assert plan.trials[0].reason == reason
    assert planned([run], rerun="all", left=left_at(40)).broken_off == {}


def test_rerun_all_begins_anew() -> None:
    """Also what broke off."""
    plan = planned([run_of(TRIALS[0], "KILLED")], rerun="all", left=left_at(40))

    assert plan.broken_off == {}
    assert plan.trials[0].reason == "killed before"


def test_a_second_sweep_runs_nothing() -> None:
    """What has finished is not trained again."""
    plan = planned([run_of(trial, "FINISHED") for trial in TRIALS])

    assert plan.to_run == []
    assert plan.skipped[0].reason == "finished in run ab12cd34"
    assert plan.skipped[0].known is not None


def test_a_new_value_runs_only_its_trials() -> None:
    """After adding a learning rate, its trials are the only ones."""
    plan = planned([run_of(trial, "FINISHED") for trial in TRIALS], lrs=(0.1, 0.2, 0.4))

    assert [(t.opt_paras["lr"], t.repeat) for t in plan.to_run] == [(0.4, 0), (0.4, 1)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("FAILED", "failed before"),
        ("DIVERGED", "diverged before"),
        ("KILLED", "killed before"),
        ("RUNNING", "interrupted before"),
        ("SCHEDULED", "interrupted before"),
        ("PAUSED", "paused before"),
    ],
)
def test_what_did_not_finish_runs_again(status: str, reason: str) -> None:
    """The reason says what became of it."""
    first = planned([run_of(TRIALS[0], status)]).trials[0]

    assert (first.action, first.reason) == ("run", reason)


def test_a_changed_source_is_a_reason() -> None:
    """The same parameters under another program run again, and the plan says why."""
    known = [run_of(trial, "FINISHED") for trial in TRIALS]

    plan = planned(known, source=SOURCE.replace("return", "x = 1\n    return"))

    assert {p.reason for p in plan.trials} == {"changed source"}
    assert len(plan.to_run) == 4


def test_a_changed_seed_or_data_is_a_reason() -> None:
    """The same program with another seed or other data says which."""
    run = run_of(TRIALS[0], "FINISHED")
    other_data = KnownRun(
        key="k",
        run_id="r",
        status="FINISHED",
        cell_key=run.cell_key,
        source_key=run.source_key,
        seed=0,
    )
    other_seed = KnownRun(
        key="k",
        run_id="r",
        status="FINISHED",
        cell_key=run.cell_key,
        source_key=run.source_key,
        seed=5,
    )

    assert planned([other_data]).trials[0].reason == "changed data"
    assert planned([other_seed]).trials[0].reason == "changed seed"


def test_rerun_all_runs_what_finished() -> None:
    """`--rerun all` trains everything again."""
    assert len(planned([run_of(t, "FINISHED") for t in TRIALS], "all").to_run) == 4


def test_rerun_failed_leaves_what_is_new() -> None:
    """`--rerun failed` is narrower than the default."""
    plan = planned([run_of(TRIALS[0], "FINISHED"), run_of(TRIALS[1], "FAILED")], "failed")

    assert [t.index for t in plan.to_run] == [1]
    assert plan.trials[2].reason == "new; --rerun failed leaves it"


def test_rerun_changed_leaves_what_is_new_or_failed() -> None:
    """`--rerun changed` runs only what ran before as another program."""
    known = [run_of(trial, "FAILED") for trial in TRIALS[:1]]
    changed = planned(known, "changed", source=SOURCE + "    # no change\n")
    really = planned(known, "changed", source=SOURCE.replace("return", "x = 1\n    return"))

    assert changed.to_run == []
    assert changed.trials[0].reason == "failed before; --rerun changed leaves it"
    assert [t.index for t in really.to_run] == [0]


def test_a_change_that_was_interrupted_is_still_to_be_made() -> None:
    """The same command with `--rerun changed` goes on with what it had begun."""
    source = SOURCE.replace("return", "x = 1\n    return")
    (new, *_) = [p.trial for p in planned(source=source).trials]
    known = [run_of(trial, "FINISHED") for trial in TRIALS] + [run_of(new, "KILLED")]

    plan = planned(known, "changed", source=source, left=left_at(7))

    assert [t.index for t in plan.to_run] == [0, 1, 2, 3]
    assert plan.trials[0].reason == "killed at step 7: goes on"


def test_other_versions_are_said_and_run_again_only_when_asked_for() -> None:
    """A result stays known; `--rerun changed` covers what decides its numbers."""
    run = replace(run_of(TRIALS[0], "FINISHED"), versions={"torch": "2.12.0", "numpy": "2.0"})
    now = {"torch": "2.13.0", "numpy": "2.0", "akid": "0.2.0"}

    first = planned([run], versions=now).trials[0]
    again = planned([run], "changed", versions=now)

    assert first.action == "skip"
    assert first.reason == "finished in run ab12cd34 with torch 2.12.0 (now 2.13.0)"
    assert [t.index for t in again.to_run] == [0]
    assert planned([run], "changed", versions=run.versions).to_run == []


def test_one_program_runs_once() -> None:
    """Trials whose programs are equal share one run."""
    plan = planned(source="def setup():\n    return 1\n")

    assert [p.same_as for p in plan.trials] == [None, 0, None, 2]
    assert plan.trials[1].reason == "same program as trial 0"
    assert len(plan.to_run) == 2


def test_an_unknown_rerun_lists_the_known_ones() -> None:
    """A misspelt choice is an error."""
    with pytest.raises(
        ExperimentError, match=re.escape(f"one of {', '.join(RERUNS)}, got rerun='al'")
    ):
        planned(rerun="al")


def test_a_finished_run_wins_over_a_later_failure() -> None:
    """Several runs of one key: a finished one if there is any, else the last."""
    runs = [
        run_of(TRIALS[0], "FINISHED", started_s=1),
        run_of(TRIALS[0], "FAILED", started_s=2),
        run_of(TRIALS[1], "KILLED", started_s=2),
        run_of(TRIALS[1], "FAILED", started_s=1),
    ]

    chosen = by_key(reversed(runs))

    assert chosen[TRIALS[0].key].status == "FINISHED"
    assert chosen[TRIALS[1].key].status == "KILLED"


def test_what_was_stopped_early_waits_until_it_is_asked_for() -> None:
    """Then it goes on where it was."""
    known = [run_of(TRIALS[0], "STOPPED"), run_of(TRIALS[1], "FAILED")]

    assert planned(known).trials[0].reason == "stopped early in run ab12cd34"
    assert planned(known).trials[0].action == "skip"
    assert [t.index for t in planned(known, "failed").to_run] == [1]
    assert [t.index for t in planned(known, "stopped", left=left_at(7)).to_run] == [0]
    first = planned(known, "stopped", left=left_at(7)).trials[0]
    assert first.reason == "stopped early at step 7: goes on"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(STATUSES)), max_size=8),
    st.sampled_from(RERUNS),
)
def test_every_trial_is_planned_once(history: list[tuple[int, str]], rerun: str) -> None:
    """Whatever is known, no trial is lost, and the default runs exactly what has not finished."""
    known = [run_of(TRIALS[i], s, started_s=n) for n, (i, s) in enumerate(history)]
    chosen = by_key(known)
    done = {
        trial.index
        for trial in TRIALS
        if trial.key in chosen and chosen[trial.key].status in ("FINISHED", "STOPPED")
    }

    plan = planned(known, rerun)

    assert [p.trial.index for p in plan.trials] == [0, 1, 2, 3]
    assert len(plan.to_run) + len(plan.skipped) == 4
    if rerun == "missing":
        assert {t.index for t in plan.to_run} == {0, 1, 2, 3} - done
