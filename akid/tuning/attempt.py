"""Attempt: an attempt at a trial as Ray Tune is handed it, and how it is read from there.

Tune pickles whatever names or places its trials once for each of them. So an attempt itself says
what it is called and what it needs; functions that knew all trials would cost the more, the more
trials there are.
"""

from collections.abc import Mapping
from typing import Any, Final

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from akid.cluster.resources import ResourceRequest

TRIAL_INDEX: Final = "akid_trial"
"""The key of Tune's `config` that holds the index of the planned trial."""

ATTEMPT: Final = "akid_attempt"
"""The key that holds the number of the attempt."""

RESUMES: Final = "akid_resumes"
"""The key that says whether the trial goes on from what lies in its folder."""

_NAME: Final = "akid_name"
_NEED: Final = "akid_need"


def config_of(
    index: int, number: int, *, name: str, need: ResourceRequest, resumes: bool
) -> dict[str, Any]:
    """Return Tune's config of an attempt.

    Args:
        index: The trial's position.
        number: The number of the attempt, from 1.
        name: What the trial is called, as a file's name.
        need: What the attempt needs.
        resumes: Whether it goes on from what lies in the trial's folder.
    """
    retry = f"_attempt{number}" if number > 1 else ""
    return {
        TRIAL_INDEX: index,
        ATTEMPT: number,
        RESUMES: resumes,
        _NAME: f"{name}{retry}",
        _NEED: need,
    }


def placement(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """Return what an attempt needs, as Tune takes it."""
    need: ResourceRequest = config[_NEED]
    return tune.PlacementGroupFactory(
        need.bundles, strategy="PACK", bundle_label_selector=need.label_selectors
    )


def name_of(attempt: TuneTrial) -> str:
    """Return what an attempt is called in Tune's files and the dashboard."""
    name: str = attempt.config[_NAME]
    return name


def place_of(attempt: TuneTrial) -> tuple[int, int]:
    """Return the trial's position and the number of the attempt."""
    return attempt.config[TRIAL_INDEX], attempt.config[ATTEMPT]
