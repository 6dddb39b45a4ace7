"""The setting `search`, and the rounds of suggestions."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from akid.cluster.work_dir import WorkDir
from akid.errors import ExperimentError
from akid.tuning.ending import Ending
from akid.tuning.experiment import Experiment
from akid.tuning.results import TrialRecord
from akid.tuning.search import Search, sweep_of
from akid.tuning.searching import Tpe, read_search
from akid.tuning.space import choice, loguniform, qloguniform, qrandint, randint, uniform
from akid.tuning.suggestion import Suggester
from akid.tuning.sweep import Sweep, SweepOptions, SweepOutcome
from akid.tuning.template import Template

NETS = [{"w": 1}, {"w": qrandint(4, 12, 4), "act": choice(["relu", {"size": randint(2, 4)}])}]
OPTS = [{"lr": loguniform(1e-4, 1.0), "decay": [uniform(0, 1)]}]
RECORD = TrialRecord(
    index=0,
    label="lr 0.1",
    repeat=0,
    net_paras={},
    opt_paras={"lr": 0.1},
    seed=0,
    key="key",
    status="FINISHED",
)


def suggester(seed: int = 0, nets: list = NETS) -> Suggester:
    return Suggester(nets, OPTS, seed=seed, startup=4)


def searched(seed: int, rounds: int = 12) -> list[float]:
    """Return the rates that are suggested where the best is 0.01."""
    found, rates = suggester(seed, [{}]), []
    for _ in range(rounds):
        pairs = found.ask(4)
        rates += [opt["lr"] for _, opt in pairs]
        found.tell([abs(opt["lr"] - 0.01) for _, opt in pairs])
    return rates


def test_a_setting_is_read_or_refused() -> None:
    assert read_search({"name": "tpe", "startup": 3}) == Tpe(startup=3, batch=4)
    assert read_search(None) is None
    assert read_search({"name": "none"}) is None
    for wrong in ("tpe", {"name": "cma"}, {"name": "tpe", "batch": 0}, {"name": "tpe", "size": 1}):
        with pytest.raises(ExperimentError, match=r"search: expected None or .* got search="):
            read_search(wrong)


def test_equal_seeds_and_results_give_equal_suggestions() -> None:
    """So a search needs no memory besides its trials."""
    assert searched(1, 4) == searched(1, 4)
    assert searched(1, 1) != searched(2, 1)


def test_suggestions_come_closer_to_what_is_good() -> None:
    """The last ones are nearer to the best rate than the random ones of the begin."""
    rates = searched(0)

    assert (
        sorted(abs(r - 0.01) for r in rates[-16:])[8] < sorted(abs(r - 0.01) for r in rates[:16])[8]
    )


def test_every_law_is_kept() -> None:
    """Conditional parameters are suggested where they stand."""
    found = suggester()
    for _ in range(5):
        pairs = found.ask(4)
        for net, opt in pairs:
            assert net["w"] in (1, 4, 8, 12)
            assert net.get("act", "relu") == "relu" or net["act"]["size"] in (2, 3)
            assert 1e-4 <= opt["lr"] <= 1
            assert 0 <= opt["decay"][0] <= 1
        found.tell([None, 1.0, 2.0, None])


def test_what_optuna_has_not_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"expected one of uniform, .* got qloguniform"):
        suggester(nets=[{"w": qloguniform(1, 8, 1)}]).ask(1)


def test_the_plan_ends_where_results_are_needed(tmp_path: Path) -> None:
    """Only the random begin is known before anything is trained."""
    template = Template('def setup():\n    return {{ opt_paras["lr"] }}\n', "file.py")
    experiment = Experiment(
        name="x",
        template=template,
        opt_paras_list=OPTS,
        search={"name": "tpe", "startup": 3, "batch": 2},
        sample=7,
        gpu_num_per_instance=0,
    )
    options = SweepOptions(
        tracking_uri=f"sqlite:///{tmp_path}/none.db", work_dir=WorkDir.of(tmp_path)
    )

    plan = sweep_of(experiment, options).plan()

    assert len(plan.to_run) == 3
    assert plan.experiment.extent == "1 repeat x 3 of 7 suggestions"


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_signal_at_the_end_of_a_round_ends_the_search(monkeypatch, is_counted: bool) -> None:
    """Whether it is counted in the round's last moment or comes after it; what there is stays."""
    template = Template('def setup():\n    return {{ opt_paras["lr"] }}\n', "file.py")
    search = {"name": "tpe", "startup": 2, "batch": 1}
    experiment = Experiment(
        name="x", template=template, opt_paras_list=OPTS, search=search, sample=5
    )
    rounds = []

    def carry_out(sweep: Sweep, ending: Ending, clusters: object) -> SweepOutcome:
        del clusters
        rounds.append(sweep)
        with ending.counted() if is_counted else contextlib.nullcontext():
            if is_counted or len(rounds) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
        return SweepOutcome(records=[RECORD], untracked=["a word"], is_interrupted=False)

    monkeypatch.setattr(Sweep, "carry_out", carry_out)
    monkeypatch.setattr(Search, "_costs", lambda _, asked, __: [0.0] * len(asked))

    outcome = Search(experiment, SweepOptions()).run()

    assert (outcome.is_interrupted, outcome.signum) == (True, signal.SIGTERM)
    assert (len(outcome.records), outcome.untracked) == (1, ["a word"])
    assert len(rounds) == (1 if is_counted else 2)


def test_a_search_needs_a_number_and_known_trials(tmp_path: Path) -> None:
    """What is wrong is told before anything starts."""
    template = Template("def setup():\n    return 1\n", "file.py")
    whole = Experiment(name="x", template=template)
    endless = Experiment(name="x", template=template, search={"name": "tpe"})
    again = Experiment(name="x", template=template, search={"name": "tpe"}, sample=3)

    assert type(sweep_of(whole, SweepOptions())) is Sweep
    with pytest.raises(ExperimentError, match="--sample N"):
        sweep_of(endless, SweepOptions())
    with pytest.raises(ExperimentError, match="expected rerun='missing'"):
        Search(again, SweepOptions(rerun="all"))
