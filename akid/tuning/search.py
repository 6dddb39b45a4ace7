"""Search: a sweep whose combinations are suggested round by round, from what the earlier gave.

What is suggested depends on the seed and on results alone, and a trial's result on the trial alone.
So the same command goes through the same rounds again: what is known is told from the store, and
only what is missing is trained. No state of a search is kept anywhere.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import final

from akid.errors import ExperimentError
from akid.tuning.ending import Ending, EndRequested
from akid.tuning.experiment import Experiment
from akid.tuning.grid import Paras
from akid.tuning.literal import literal
from akid.tuning.plan import Plan
from akid.tuning.results import TrialRecord, rank, resolve_metric, usable_metric
from akid.tuning.searching import read_search
from akid.tuning.suggestion import Suggester
from akid.tuning.sweep import Sweep, SweepOptions, SweepOutcome

_Pair = tuple[Paras, Paras]


def sweep_of(experiment: Experiment, options: SweepOptions) -> Sweep:
    """Return the sweep of an experiment: of its grid or its draws, or of what is suggested."""
    return Sweep(experiment, options) if experiment.search is None else Search(experiment, options)


@final
class Search(Sweep):
    """A sweep in rounds; the first is random, each later one follows from all before it.

    Args:
        experiment: What is trained; its `search` and `sample` say how and how much.
        options: How.

    Raises:
        ExperimentError: If `sample` is missing, or known trials shall run again.
    """

    def __init__(self, experiment: Experiment, options: SweepOptions) -> None:
        super().__init__(experiment, options)
        if experiment.sample is None:
            raise ExperimentError(
                "search: expected the number of combinations that are suggested, got none."
                " Say sample = N, or --sample N."
            )
        if options.rerun != "missing":
            raise ExperimentError(
                "search: expected rerun='missing' (what is suggested follows from what is known),"
                f" got rerun={options.rerun!r}."
            )
        self._n_suggested = experiment.sample
        self._tpe = read_search(experiment.search)

    def plan(self) -> Plan:
        """Return the plan of all rounds whose trials are known, and of the first that is not."""
        suggester, pairs = self._suggester(), list[_Pair]()
        while True:
            asked = suggester.ask(self._size(len(pairs)))
            pairs += asked
            sweep = self._round(pairs)
            plan = sweep.plan()
            if plan.to_run or len(pairs) >= self._n_suggested:
                return plan
            suggester.tell(self._costs(asked, sweep.known_records()))

    def carry_out(self, ending: Ending, clusters: ExitStack) -> SweepOutcome:
        """Go through the rounds, train what is missing, and return a record for each trial.

        A signal between two rounds ends the search as one inside of a round does.
        """
        outcomes: list[SweepOutcome] = []
        try:
            for outcome in self._rounds(ending, clusters):
                outcomes.append(outcome)  # noqa: PERF402 (what there is counts, if one breaks off)
        except EndRequested as request:
            if not outcomes:
                raise
            outcomes.append(_broken_off(request.signum))
        return _together(outcomes)

    def known_records(self) -> list[TrialRecord]:
        return Sweep(self.plan().experiment, self._options).known_records()

    def _rounds(self, ending: Ending, clusters: ExitStack) -> Iterator[SweepOutcome]:
        """Train what is missing of each round; the cluster stays for the next one."""
        suggester, n_asked = self._suggester(), 0
        while True:
            asked = suggester.ask(self._size(n_asked))
            n_asked += len(asked)
            outcome = self._round(asked).carry_out(ending, clusters)
            yield outcome
            metric, mode = self.experiment.metric, self.experiment.mode
            *_, fault = usable_metric(outcome.records, metric, mode)
            if outcome.is_interrupted or fault or n_asked >= self._n_suggested:
                return
            if ending.signum is not None:  # it came when the round had come to its end
                raise EndRequested(ending.signum)
            suggester.tell(self._costs(asked, outcome.records))

    def _suggester(self) -> Suggester:
        assert self._tpe is not None
        return Suggester(
            self.experiment.net_paras_list,
            self.experiment.opt_paras_list,
            seed=self.experiment.seed,
            startup=self._tpe.startup,
        )

    def _size(self, n_asked: int) -> int:
        """Return how many are suggested next."""
        assert self._tpe is not None
        wanted = self._tpe.batch if n_asked else self._tpe.startup
        return min(wanted, self._n_suggested - n_asked)

    def _round(self, pairs: Sequence[_Pair]) -> Sweep:
        return Sweep(replace(self.experiment, suggested=tuple(pairs)), self._options)

    def _costs(self, asked: Sequence[_Pair], records: Sequence[TrialRecord]) -> list[float | None]:
        """Return the mean of each combination, negative where larger is better."""
        metric, mode = resolve_metric(records, self.experiment.metric, self.experiment.mode)
        sign = -1.0 if mode == "max" else 1.0
        found = {
            literal([cell.net_paras, cell.opt_paras]): sign * cell.value.mean
            for cell in rank(records, metric, mode)
            if cell.value.n and not cell.is_cut
        }
        return [found.get(literal(list(pair))) for pair in asked]


def _broken_off(signum: int) -> SweepOutcome:
    return SweepOutcome(records=[], untracked=[], is_interrupted=True, signum=signum)


def _together(outcomes: Sequence[SweepOutcome]) -> SweepOutcome:
    """Return what all rounds gave; how the search ended is how the last one did."""
    records = [record for outcome in outcomes for record in outcome.records]
    return replace(
        outcomes[-1],
        records=[replace(record, index=number) for number, record in enumerate(records)],
        untracked=[sentence for outcome in outcomes for sentence in outcome.untracked],
        lacks_resources=any(outcome.lacks_resources for outcome in outcomes),
    )
