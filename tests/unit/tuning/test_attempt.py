"""What Ray Tune is handed of an attempt says all by itself."""

from dataclasses import replace
from types import SimpleNamespace

from ray import cloudpickle

from akid.cluster.resources import ResourceRequest
from akid.testing.tracker_contract import make_trial
from akid.tuning.attempt import config_of, name_of, place_of, placement, trial_of


def test_an_attempt_says_what_it_is_called_and_what_it_needs() -> None:
    """A retry has a name of its own."""
    need = ResourceRequest(cpus=2.0, gpus=0.5)
    first = config_of(3, 1, name="003_lr=0.1", need=need, sources=())
    second = config_of(3, 2, name="003_lr=0.1", need=need, sources=("/runs/003",))

    assert name_of(SimpleNamespace(config=first)) == "003_lr=0.1"
    assert name_of(SimpleNamespace(config=second)) == "003_lr=0.1_attempt2"
    assert place_of(SimpleNamespace(config=second)) == (3, 2)
    assert placement(first).bundles == [{"CPU": 2.0, "GPU": 0.5}]


def test_the_workers_of_a_gang_may_have_to_lie_together() -> None:
    """Ray packs them on one machine where that is possible, and only there where it has to be."""
    apart = config_of(0, 1, name="n", need=ResourceRequest(workers=2), sources=())
    together = config_of(0, 1, name="n", need=ResourceRequest(workers=2, together=True), sources=())

    assert placement(apart).strategy == "PACK"
    assert placement(together).strategy == "STRICT_PACK"


def test_what_tune_pickles_for_each_trial_is_small() -> None:
    """Names and placements refer to no sweep: they are pickled by their names alone."""
    config = config_of(0, 1, name="n", need=ResourceRequest(), sources=())

    assert [len(cloudpickle.dumps(f)) < 100 for f in (name_of, placement)] == [True, True]
    assert len(cloudpickle.dumps(config)) < 400


def test_a_trial_is_tried_with_what_its_attempt_was_given() -> None:
    """A whole GPU where a share did not suffice, as many workers as there were; threads stay."""
    planned = replace(make_trial(0), request=ResourceRequest(cpus=2, gpus=0.25))
    alone = config_of(0, 2, name="n", need=ResourceRequest(cpus=8, gpus=1), sources=())
    tried = trial_of(alone, [planned])
    assert (tried.gpus, tried.threads, tried.workers) == (1, 2, 0)

    gang = ResourceRequest(gpus=1, workers=1, most_workers=4)
    started = config_of(0, 1, name="n", need=gang.with_workers(3), sources=())
    tried = trial_of(started, [replace(planned, request=gang)])
    assert tried.request == gang.with_workers(3)
