"""A record for each trial, whether it ran now, earlier, or not at all."""

from akid.cluster.resources import ResourceRequest
from akid.tuning.experiment import Experiment
from akid.tuning.plan import KnownRun, make_plan
from akid.tuning.records import record_of, records_of
from akid.tuning.template import Template

EXPERIMENT = Experiment(
    name="test",
    template=Template("def setup():\n    return {{ opt_paras['lr'] }}\n", "test.py"),
    opt_paras_list=[{"lr": 0.1}, {"lr": 0.2}],
)
REQUESTS = [ResourceRequest(cpus=1, gpus=0)] * 2


def test_a_trial_that_did_not_begin_again_is_as_the_earlier_sweep_left_it() -> None:
    """A sweep that ended before it came to a trial does not hide what is known of it."""
    first, second = (planned.trial for planned in make_plan(EXPERIMENT, REQUESTS, {}).trials)
    known = KnownRun(key=first.key, run_id="run", status="KILLED", final={"val_loss": 0.5})
    plan = make_plan(EXPERIMENT, REQUESTS, {first.key: known})

    ended = {trial.index: record_of(trial, "SKIPPED") for trial in (first, second)}
    records = records_of(plan, ended)

    assert [record.status for record in records] == ["KILLED", "SKIPPED"]
    assert records[0].final == {"val_loss": 0.5}
