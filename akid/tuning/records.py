"""Records: what is told of each trial of a plan, whether it ran now, earlier, or not at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from akid.tuning.plan import KnownRun, Plan, PlannedTrial
from akid.tuning.results import SKIPPED, TrialRecord
from akid.tuning.trial import Trial


def records_of(plan: Plan, ended: Mapping[int, TrialRecord]) -> list[TrialRecord]:
    """Return a record for each trial of the plan, in the documented order."""
    records: list[TrialRecord] = []
    for planned in plan.trials:
        trial = planned.trial
        now = ended.get(trial.index)
        if now is not None and not (now.status == SKIPPED and planned.known is not None):
            records.append(now)
        elif planned.same_as is not None:
            records.append(replace(records[planned.same_as], **_place(trial)))
        elif planned.known is not None:
            records.append(_known_record(planned, planned.known))
        else:
            records.append(record_of(trial, SKIPPED))
    return records


def _known_record(planned: PlannedTrial, known: KnownRun) -> TrialRecord:
    return record_of(
        planned.trial,
        known.status,
        final=known.final,
        best=known.best,
        test=known.test,
        error=known.error,
        run_id=known.run_id,
        duration_s=known.duration_s,
        reused=True,
    )


def record_of(trial: Trial, status: str, **known: Any) -> TrialRecord:
    """Return a trial's record."""
    return TrialRecord(status=status, **_place(trial), **known)


def _place(trial: Trial) -> dict[str, Any]:
    return {
        "index": trial.index,
        "label": trial.label,
        "repeat": trial.repeat,
        "net_paras": trial.net_paras,
        "opt_paras": trial.opt_paras,
        "seed": trial.seed,
        "key": trial.key,
    }
