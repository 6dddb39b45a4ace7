"""Search beyond the whole grid: drawn values, and trials that are stopped early."""

import json

import pytest

SLOW = """
kid.log_by_epoch = True
kid.max_epoch = 9
import time
kid.hooks.on_val_log_step.append(lambda kid: time.sleep(0.15))
"""
ASHA = """
opt_paras_list = [{"lr": 0.5}, {"lr": 1e-5}, {"lr": 1e-6}]
metric = "val_loss"
scheduler = {"name": "asha", "max_t": 9, "reduction_factor": 2}
"""


@pytest.mark.usefixtures("cluster")
def test_trials_that_fall_behind_are_stopped_and_not_run_again(place) -> None:
    """STOPPED is an end of its own; asked to, such trials go on where they were."""
    file = place.empty(ASHA, after=SLOW, lr='{{ opt_paras["lr"] }}')

    first = place.sweep(file, "--max-concurrent", 1, "--json")
    again = place.sweep(file, "--dry-run")
    asked = place.sweep(file, "--rerun", "stopped", "--scheduler", "none", "--json")

    assert (first.code, again.code, asked.code) == (0, 0, 0)
    told = json.loads(first.out)
    assert [trial["status"] for trial in told["trials"]] == ["FINISHED", "STOPPED", "STOPPED"]
    assert all("val_loss" in trial["final"] for trial in told["trials"])
    assert "0 to run, 1 finished before, 2 stopped early before" in again.out
    assert {trial["status"] for trial in json.loads(asked.out)["trials"]} == {"FINISHED"}
    assert len(place.runs()) == 3, "they went on in their own runs"


@pytest.mark.usefixtures("cluster")
def test_only_draws_that_are_new_are_trained(place) -> None:
    """A larger sample contains the smaller one; its trials are known by their keys."""
    law = "from akid import loguniform\nopt_paras_list = [{'lr': loguniform(1e-3, 1e-1)}]\n"
    file = place.empty(law, lr='{{ opt_paras["lr"] }}')

    first = place.sweep(file, "--sample", 2, "--json")
    second = place.sweep(file, "--sample", 4, "--json")

    rates = [
        {t["opt_paras"]["lr"] for t in json.loads(ran.out)["trials"]} for ran in (first, second)
    ]
    assert len(rates[1]) == 4
    assert rates[0] < rates[1]
    assert [t["reused"] for t in json.loads(second.out)["trials"]].count(True) == 2
    assert len(place.runs()) == 4
    assert {run.data.params["opt.lr"] for run in place.runs()} == {repr(rate) for rate in rates[1]}


@pytest.mark.usefixtures("cluster")
def test_a_search_goes_on_where_it_ended(place) -> None:
    """The same command goes through the same rounds; a longer search begins with the shorter."""
    law = "from akid import loguniform\nopt_paras_list = [{'lr': loguniform(1e-3, 1e-1)}]\n"
    file = place.empty(law, lr='{{ opt_paras["lr"] }}')
    tpe = ("--search", "tpe,startup=2,batch=1", "--json")

    first = place.sweep(file, "--sample", 2, *tpe)
    second = place.sweep(file, "--sample", 3, *tpe)
    planned = place.sweep(file, "--sample", 3, *tpe[:2], "--dry-run")

    rates = [[t["opt_paras"]["lr"] for t in json.loads(r.out)["trials"]] for r in (first, second)]
    assert rates[1][:2] == rates[0]
    assert len(set(rates[1])) == 3
    assert [t["reused"] for t in json.loads(second.out)["trials"]] == [True, True, False]
    assert [t["index"] for t in json.loads(second.out)["trials"]] == [0, 1, 2]
    assert len(place.runs()) == 3
    assert "3 of 3 suggestions), 0 to run, 3 finished before" in planned.out


def test_no_rung_is_passed_over() -> None:
    """Rows that come together are compared one by one, a trial that is told again once."""
    from akid.tuning.early_stopping import Asha
    from akid.tuning.halving import Halving

    halving = Halving(Asha(max_t=8, reduction_factor=2), metric="val_loss")
    good = [{"step": 10.0 * n, "epoch": n, "val_loss": 1 / n} for n in range(1, 9)]
    late = [{**row, "val_loss": 5.0 if row["epoch"] == 2 else 0.01} for row in good]

    assert not halving.hear("good", good[:5])
    assert not halving.hear("good", good), "an attempt after a break tells its rows again"
    assert halving.hear("bad at the second rung only", late)
    halving.tell("known", [{**row, "val_loss": 0.001} for row in good])
    assert halving.hear("as good as the first", good[:1])


def test_laws_are_those_of_tune() -> None:
    """The same name gives the same distribution; only a step's bounds weigh as much as the rest."""
    import numpy as np
    from ray import tune

    from akid.tuning.space import FUNCTIONS

    arguments = {
        "uniform": (-1, 2),
        "loguniform": (1e-4, 0.1),
        "randn": (5, 2),
        "randint": (-3, 4),
        "lograndint": (1, 1000),
        "quniform": (0, 100, 0.5),
        "qrandint": (0, 640, 8),
        "qloguniform": (1e-3, 1, 1e-4),
        "qlograndint": (4, 1000, 2),
        "qrandn": (5, 2, 0.1),
    }
    for name, given in arguments.items():
        law = getattr(tune, name)(*given)
        theirs = law.sample(size=4000, random_state=np.random.RandomState(0))
        ours = [FUNCTIONS[name](*given).draw((k + 0.5) / 4000) for k in range(4000)]

        width = np.quantile(ours, 0.9) - np.quantile(ours, 0.1)
        found, wanted = (np.quantile(v, [0.1, 0.5, 0.9]) for v in (ours, theirs))
        assert np.abs(found - wanted).max() < 0.06 * width + 1e-9, name
