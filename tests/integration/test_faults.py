"""Trials that fail: each its own way, in one sweep, while the others finish."""

import json
import re
from types import SimpleNamespace

import pytest

CASES = ("fine", "raises", "diverges", "no kid", "SystemExit", "os._exit", "fine too")
FINE = ("fine", "fine too")

BODY = """
case = {{ opt_paras["case"] }}
print("now", case)
if case == "raises":
    shapes = {}
    shapes["of the first layer"]
if case == "no kid":
    return 5
if case == "SystemExit":
    raise SystemExit(3)
if case == "os._exit":
    import os

    os._exit(7)
"""


@pytest.fixture(scope="module")
def swept(shared_place, cluster) -> SimpleNamespace:
    """Return a sweep in which every kind of fault occurs once."""
    cases = [{"case": case, "lr": 1e30 if case == "diverges" else 0.1} for case in CASES]
    settings = f"retries = {{'lost': 1}}\nopt_paras_list = {cases}"
    file = shared_place.empty(settings, body=BODY, lr='{{ opt_paras["lr"] }}')
    ran = shared_place.sweep(file)
    runs = {run.data.params["opt.case"]: run for run in shared_place.runs()}
    return SimpleNamespace(file=file, ran=ran, runs=runs)


def test_the_others_finish_and_the_command_says_that_some_failed(swept) -> None:
    """Exit code 1; each run says how its trial ended, in MLflow's words and in akid's."""
    statuses = {c: (r.info.status, r.data.tags["akid.status"]) for c, r in swept.runs.items()}

    assert swept.ran.code == 1
    assert statuses == {
        "fine": ("FINISHED", "FINISHED"),
        "raises": ("FAILED", "FAILED"),
        "diverges": ("FAILED", "DIVERGED"),
        "no kid": ("FAILED", "FAILED"),
        "SystemExit": ("FAILED", "FAILED"),
        "os._exit": ("FAILED", "FAILED"),
        "fine too": ("FINISHED", "FINISHED"),
    }


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("raises", "shapes[\"of the first layer\"]\n(.*\n)?KeyError: 'of the first layer'"),
        ("diverges", "DivergedError: Brain: expected a finite .*loss, got .*learning rate"),
        ("no kid", "setup: expected it to return a Kid, got int: 5"),
        ("SystemExit", "SystemExit: 3"),
        ("os._exit", "its process ended without a Python error: .*os._exit"),
    ],
)
def test_an_error_stands_below_the_table_and_in_mlflow(swept, shared_place, case, error) -> None:
    """The traceback holds the user's own lines only.

    Of a trial that the next sweep lets go on no file is left, which would outlive the failure.
    """
    run = swept.runs[case]
    told = run.data.tags["akid.error"]
    file = shared_place.artifacts(run.info.run_id) / "error.txt"

    assert re.search(error.replace("[", r"\["), told)
    assert "akid/tuning" not in told
    assert "site-packages" not in told
    assert " ".join(told.split()) in " ".join(swept.ran.out.split())
    assert (file.read_text() if file.exists() else None) == (None if case == "os._exit" else told)


def test_what_a_trial_printed_is_kept_with_its_run(swept, shared_place) -> None:
    """Also that of a trial whose process died, and nothing of another one's."""
    for case, run in swept.runs.items():
        printed = shared_place.artifacts(run.info.run_id) / "output.log"
        attempts = 2 if case == "os._exit" else 1
        assert printed.read_text() == f"now {case}\n" * attempts


def test_ray_keeps_off_standard_output(swept) -> None:
    """Only akid's own table goes there, and to standard error its own words of a lost process."""
    for text in (swept.ran.out, swept.ran.err):
        assert "raylet" not in text
        assert "worker died" not in text.lower()
    assert "case=os._exit lr=0.1 is tried again: lost, its process ended" in swept.ran.err


def test_the_next_sweep_runs_only_what_failed(swept, shared_place) -> None:
    """What finished is not trained again."""
    before = len(shared_place.runs())
    cases = [{"case": case, "lr": 0.1} for case in ("fine", "raises", "fine too")]
    file = shared_place.empty(f"opt_paras_list = {cases}", body=BODY, lr='{{ opt_paras["lr"] }}')
    ran = shared_place.sweep(file, "--json")
    trials = {record["opt_paras"]["case"]: record for record in json.loads(ran.out)["trials"]}

    assert ran.code == 1
    assert [case for case, trial in trials.items() if trial["reused"]] == list(FINE)
    assert len(shared_place.runs()) == before + 1
    assert all(trials[case]["run_id"] == swept.runs[case].info.run_id for case in FINE)
