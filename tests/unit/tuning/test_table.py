"""Tables: plain text that says everything that matters."""

import io

from akid.cluster.resources import ResourceRequest
from akid.tuning.compare import compare
from akid.tuning.experiment import Experiment
from akid.tuning.grid import Paras
from akid.tuning.plan import KnownRun, Plan, make_plan
from akid.tuning.results import TrialRecord
from akid.tuning.table import failures, plan_summary, print_comparison, print_plan, print_results
from akid.tuning.template import Template

SETUP = "def setup():\n    return {{ opt_paras }}, {{ net_paras }}\n"


def planned(
    known: dict[str, KnownRun] | None = None,
    opts: list[Paras] | None = None,
    nets: list[Paras] | None = None,
) -> Plan:
    experiment = Experiment(
        name="digits",
        template=Template(SETUP, "x.py"),
        opt_paras_list=opts or [{"lr": 0.1}, {"lr": 0.2}],
        net_paras_list=nets or [{}],
        repeat_times=2,
    )
    requests = [ResourceRequest(gpus=0.5)] * experiment.n_instances
    return make_plan(experiment, requests, known or {})


def words(line: str) -> str:
    return " ".join(line.split())


def plan_text(plan: Plan) -> str:
    stream = io.StringIO()
    print_plan(plan, stream)
    return stream.getvalue()


def record(index: int, status: str = "FINISHED", error: str | None = None) -> TrialRecord:
    lr = 0.1 * (1 + index // 2)
    return TrialRecord(
        index=index,
        label=f"lr={lr:g} #{index % 2}",
        repeat=index % 2,
        net_paras={},
        opt_paras={"lr": lr},
        seed=0,
        key=str(index),
        status=status,
        best={"val_accuracy": 0.9 + 0.01 * index} if status == "FINISHED" else {},
        test={"test_accuracy": 0.8} if status == "FINISHED" else {},
        error=error,
    )


def results_text(records: list[TrialRecord]) -> str:
    stream = io.StringIO()
    print_results(records, stream=stream)
    return stream.getvalue()


def test_a_plan_is_a_line_for_each_trial_and_a_summary() -> None:
    """Each line says what the trial differs in, what it needs, and why it runs."""
    first = planned().trials[0].trial
    run = KnownRun(key=first.key, run_id="ab12cd34ef", status="FINISHED")

    text = plan_text(planned({first.key: run}))
    lines = [words(line) for line in text.splitlines()]

    assert lines[0] == "trial lr repeat needs action reason"
    assert lines[1] == "0 0.1 0 1 CPU, 0.5 GPU skip finished in run ab12cd34"
    assert lines[2] == "1 0.2 0 1 CPU, 0.5 GPU run new"
    assert text.endswith(
        "digits: 4 trials (2 repeats x 2 opts x 1 net), 3 to run, 1 finished before\n"
    )


def test_a_long_plan_is_shortened_in_the_middle() -> None:
    """The number of lines left out is said."""
    text = plan_text(planned(opts=[{"lr": i} for i in range(100)]))

    assert "170 more" in text
    assert len(text.splitlines()) == 1 + 15 + 1 + 15 + 1


def test_very_many_parameters_share_a_column() -> None:
    """Networks that differ in much are shown by their label."""
    nets: list[Paras] = [{f"p{k}": k * i for k in range(1, 9)} for i in range(2)]

    assert "differs in" in plan_text(planned(nets=nets)).splitlines()[0]


def test_the_summary_counts_equal_programs() -> None:
    """What shares another trial's run is counted apart."""
    plan = planned(opts=[{"lr": 0.1}, {"lr": 0.1}])

    assert plan_summary(plan).endswith("2 to run, 0 finished before, 2 the same as another")


def test_results_are_ranked_with_spread_and_test() -> None:
    """Best first, mean and deviation, the test metric, and no colour in a file."""
    lines = results_text([record(i) for i in range(4)]).splitlines()

    assert words(lines[0]) == (
        "rank lr val_accuracy (mean ± std) n best test_accuracy (mean ± std) status"
    )
    assert words(lines[1]) == "1 0.2 0.9250 ± 0.0071 2 0.9300 0.8000 ± 0.0000 FINISHED"
    assert lines[3] == "ranked by val_accuracy (larger is better); trials: 4 FINISHED"
    assert "\x1b" not in "".join(lines)


def test_equal_errors_are_shown_once() -> None:
    """The footer groups the failed trials by their error; square brackets are no markup."""
    error = 'Traceback (most recent call last):\n  File "x"\nValueError: [bold]'
    records = [record(0), record(1, "FAILED", error), record(2, "FAILED", error), record(3)]

    text = results_text(records)

    assert text.count("ValueError: [bold]") == 1
    assert "FAILED: 2 trials: 1 (lr=0.1 #1), 2 (lr=0.2 #0)" in text


def test_many_failures_are_counted() -> None:
    """The first four trials are named."""
    (text,) = failures([record(i, "DIVERGED", "NaN") for i in range(9)])

    assert text.startswith("DIVERGED: 9 trials: 0 (lr=0.1 #0), ")
    assert "and 5 more" in text


def test_a_comparison_is_a_table_with_its_method() -> None:
    """One line for each group, and a sentence on the tests."""
    stream = io.StringIO()

    print_comparison(compare([record(i) for i in range(4)]), top=1, stream=stream)
    lines = stream.getvalue().splitlines()

    assert words(lines[1]) == (
        "1 lr=0.2 0.9250 ± 0.0071 0.8615 to 0.9885 2 0.9300 0.8000 ± 0.0000 best"
    )
    assert lines[2] == "and 1 more"
    assert "Welch's t test" in lines[3]


def test_nothing_is_printed_as_nothing() -> None:
    """No trials, no table."""
    assert results_text([]) == ""
