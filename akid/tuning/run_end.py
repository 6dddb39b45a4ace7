"""Run end: a trial's run is closed, with as much of what it ended with as the store takes."""

from dataclasses import replace

from akid.errors import RefusedError
from akid.tuning.tracking import Tracker, TrialEnd


def close_run(tracker: Tracker, run_id: str, end: TrialEnd) -> str:
    """Close a trial's run; a run that stays open is taken for one that broke off.

    Args:
        tracker: The store.
        run_id: The run.
        end: What the trial ended with. Where the store refuses that, the run is closed without what
            is said in words, and else with its status alone.

    Returns:
        Why the store refused something; empty where it took all.

    Raises:
        TrackingError: If the store does not answer.
    """
    refused = ""
    for told in (end, replace(end, tags={}), replace(end, tags={}, summary={})):
        try:
            tracker.end_trial(run_id, told)
            break
        except RefusedError as error:
            refused = refused or str(error)
    return refused
