"""Attempt: an attempt at a trial as Ray Tune is handed it, and how it is read from there.

Tune pickles whatever names or places its trials once for each of them. So an attempt itself says
what it is called and what it needs; functions that knew all trials would cost the more, the more
trials there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from akid.cluster.resources import ResourceRequest
from akid.tuning.trial import Trial

TRIAL_INDEX: Final = "akid_trial"
"""The key of Tune's `config` that holds the index of the planned trial."""

ATTEMPT: Final = "akid_attempt"
"""The key that holds the number of the attempt."""

SOURCES: Final = "akid_sources"
"""The key that says where may lie what the trial goes on from; nothing for a fresh start."""

_NAME: Final = "akid_name"
_NEED: Final = "akid_need"


def config_of(
    index: int, number: int, *, name: str, need: ResourceRequest, sources: Sequence[str]
) -> dict[str, Any]:
    """Return Tune's config of an attempt.

    Args:
        index: The trial's position.
        number: The number of the attempt, from 1.
        name: What the trial is called, as a file's name.
        need: What the attempt needs.
        sources: Where may lie what it goes on from; nothing for a fresh start.
    """
    retry = f"_attempt{number}" if number > 1 else ""
    return {
        TRIAL_INDEX: index,
        ATTEMPT: number,
        SOURCES: tuple(sources),
        _NAME: f"{name}{retry}",
        _NEED: need,
    }


def placement(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """Return what an attempt needs, as Tune takes it."""
    need: ResourceRequest = config[_NEED]
    strategy = "STRICT_PACK" if need.together else "PACK"
    return tune.PlacementGroupFactory(
        need.bundles, strategy=strategy, bundle_label_selector=need.label_selectors
    )


def need_of(attempt: TuneTrial) -> ResourceRequest:
    """Return what an attempt was given."""
    need: ResourceRequest = attempt.config[_NEED]
    return need


def trial_of(config: Mapping[str, Any], trials: Sequence[Trial]) -> Trial:
    """Return the trial as it is tried: with the GPUs and the workers that the attempt was given.

    Its threads stay as they were planned, as they decide the last bits of the numbers.
    """
    trial: Trial = trials[config[TRIAL_INDEX]]
    need: ResourceRequest = config[_NEED]
    given = replace(trial.request.with_workers(need.workers), gpus=need.gpus)
    return replace(trial, request=given)


def name_of(attempt: TuneTrial) -> str:
    """Return what an attempt is called in Tune's files and the dashboard."""
    name: str = attempt.config[_NAME]
    return name


def place_of(attempt: TuneTrial) -> tuple[int, int]:
    """Return the trial's position and the number of the attempt."""
    return attempt.config[TRIAL_INDEX], attempt.config[ATTEMPT]
