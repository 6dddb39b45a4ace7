"""Plan JSON: a plan for other programs."""

from typing import Any

from akid.tuning import strict_json
from akid.tuning.plan import Plan, PlannedTrial


def to_json(plan: Plan) -> str:
    """Return a list with an object for each trial, in the documented order.

    It has `index`, `label`, `repeat`, `seed`, `net_paras`, `opt_paras`, `needs` (in words), `key`,
    `action` ("run" or "skip"), `reason`, and `run_id` of the earlier run, or null.
    """
    return strict_json.dumps([_fields(planned) for planned in plan.trials])


def _fields(planned: PlannedTrial) -> dict[str, Any]:
    trial = planned.trial
    return {
        "index": trial.index,
        "label": trial.label,
        "repeat": trial.repeat,
        "seed": trial.seed,
        "net_paras": trial.net_paras,
        "opt_paras": trial.opt_paras,
        "needs": str(trial.request),
        "key": trial.key,
        "action": planned.action,
        "reason": planned.reason,
        "run_id": None if planned.known is None else planned.known.run_id,
    }
