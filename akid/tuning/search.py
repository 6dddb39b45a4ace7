"""Search: a sweep whose combinations are suggested round by round, from what the earlier gave.

What is suggested depends on the seed and on results alone, and a trial's result on the trial alone.
So the same command goes through the same rounds again: what is known is told from the store, and
only what is missing is trained. No state of a search is kept anywhere.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import final

from akid.cluster import connection
from akid.errors import ExperimentError
from akid.tuning.experiment import Experiment
from akid.tuning.grid import Paras
from akid.tuning.literal import literal
from akid.tuning.plan import Plan
from akid.tuning.results import TrialRecord, rank, resolve_metric
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
                "search: expected --rerun missing (what is suggested follows from what is known),"
                f" got {options.rerun!r}."
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

    def run(self) -> SweepOutcome:
        """Go through the rounds, train what is missing, and return a record for each trial."""
        suggester, records, untracked = self._suggester(), list[TrialRecord](), list[str]()
        n_asked = 0
        with ExitStack() as stack:
            while True:
                asked = suggester.ask(self._size(n_asked))
                n_asked += len(asked)
                outcome = self._run_round(asked, stack)
                records += [
                    replace(record, index=len(records) + number)
                    for number, record in enumerate(outcome.records)
                ]
                untracked += outcome.untracked
                if outcome.is_interrupted or n_asked >= self._n_suggested:
                    return replace(outcome, records=records, untracked=untracked)
                suggester.tell(self._costs(asked, outcome.records))

    def known_records(self) -> list[TrialRecord]:
        return Sweep(self.plan().experiment, self._options).known_records()

    def _run_round(self, asked: Sequence[_Pair], stack: ExitStack) -> SweepOutcome:
        """Train what is missing of a round; the cluster stays for the next one."""
        sweep = self._round(asked)
        if not connection.is_connected() and sweep.plan().to_run:
            capacity = self._known_capacity(stack)
            if not connection.is_connected():
                stack.enter_context(self._connect(capacity))
        return sweep.run()

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
