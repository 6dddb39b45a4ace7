"""History: the runs that a store has of an experiment, and which of them count.

A trial that ran again counts once: by its finished run, else by its last. A combination whose
source or data changed counts as it was last: its earlier runs are of another program.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from akid.tuning import provenance
from akid.tuning.literal import literal
from akid.tuning.plan import KnownRun, by_key
from akid.tuning.results import FINISHED, KILLED, TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """A trial's run as the store has it.

    Attributes:
        known: What it is and what it came to.
        experiment: The name of the experiment.
        label: What the trial is called.
        index: Its place in its sweep.
        repeat: Which repeat it is.
        columns: Its parameters by their dotted names, for example `opt.lr`.
        tags: What is said of it in words.
        parent_id: The sweep's run; empty without one.
        usage: What it took of its GPUs.
    """

    known: KnownRun
    experiment: str
    label: str
    index: int
    repeat: int
    columns: Mapping[str, Any]
    tags: Mapping[str, str]
    parent_id: str
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """How the store calls it."""
        return self.known.run_id

    @property
    def status(self) -> str:
        """Its status; a run that is open though its sweep's process has died was killed."""
        is_left_open = self.known.status == "RUNNING" and not provenance.may_be_alive(self.tags)
        return KILLED if is_left_open else self.known.status


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The runs of an experiment, sorted by whether they count.

    Attributes:
        counted: One run for each trial, in the order of the trials.
        repeated: Runs of trials that another run stands for.
        outdated: Runs of combinations whose source or data has changed since.
    """

    counted: tuple[StoredRun, ...]
    repeated: tuple[StoredRun, ...]
    outdated: tuple[StoredRun, ...]

    @classmethod
    def of(cls, runs: Iterable[StoredRun]) -> "History":
        """Sort runs, which come in any order."""
        ordered = sorted(runs, key=lambda run: run.known.started_s)
        newest = {_combination(run): run for run in ordered}
        seeds = {(_combination(run), run.known.seed): run.known.key for run in ordered}
        current: list[StoredRun] = []
        outdated: list[StoredRun] = []
        for run in ordered:
            combination = _combination(run)
            is_current = (
                _program(run) == _program(newest[combination])
                and run.known.key == seeds[combination, run.known.seed]
            )
            (current if is_current else outdated).append(run)
        standing = {known.run_id for known in by_key(run.known for run in current).values()}
        counted = [run for run in current if run.run_id in standing]
        return cls(
            counted=tuple(sorted(counted, key=lambda run: (run.repeat, run.index))),
            repeated=tuple(run for run in current if run.run_id not in standing),
            outdated=tuple(outdated),
        )

    def records(self) -> list[TrialRecord]:
        """Return a record for each run that counts, numbered in their order.

        Parameters stand in it under the names that the store has: `{"activation.type": "relu"}`.
        """
        return [_record(index, run) for index, run in enumerate(self.counted)]

    def notes(self) -> list[str]:
        """Return a sentence on each reason for which results don't count; none without any.

        What failed or broke off, and ran again, has no result that is missed.
        """
        repeated = [run for run in self.repeated if run.status == FINISHED]
        reasons = (
            (self.outdated, "of an earlier setup or earlier data; the newest of each combination"),
            (repeated, "of trials that finished more than once; the last run of each trial"),
        )
        return [
            f"left out {len(runs)} run{'s' * (len(runs) != 1)} {why} is what counts."
            for runs, why in reasons
            if runs
        ]


def _combination(run: StoredRun) -> str:
    return literal(dict(sorted(run.columns.items())))


def _program(run: StoredRun) -> tuple[str, str]:
    """Return what all repeats of a combination share: their source and their data."""
    return run.known.source_key, run.tags.get("akid.data", "")


def _record(index: int, run: StoredRun) -> TrialRecord:
    known = run.known
    return TrialRecord(
        index=index,
        label=run.label,
        repeat=run.repeat,
        net_paras=_below("net.", run.columns),
        opt_paras=_below("opt.", run.columns),
        seed=known.seed or 0,
        key=known.key,
        status=run.status,
        final=known.final,
        best=known.best,
        test=known.test,
        error=known.error,
        run_id=known.run_id,
        duration_s=known.duration_s,
        reused=True,
    )


def _below(prefix: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in columns.items() if n.startswith(prefix)}
