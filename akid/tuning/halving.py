"""Halving: Ray Tune's ASHA decides which of a sweep's trials have fallen behind.

Tune would ask its scheduler once for each result, of each of its own trials. Here results carry
several rows, and a planned trial may have several attempts, each a trial of Tune's; so it is told
of rows, in order and once, and of planned trials.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from akid.tuning.early_stopping import Asha
from akid.tuning.results import PREFERRED, Mode, resolve_metric
from akid.tuning.rows import News


@dataclass(frozen=True, slots=True)
class _Contestant:
    """What ASHA looks at of a trial of Tune's."""

    trial_id: str


@final
class Halving:
    """Tells which trials have fallen behind the others.

    Args:
        asha: The rungs.
        metric: What trials are compared by; None for the validation accuracy or loss, whichever
            the first row that has one has.
        mode: "max" or "min"; None follows from the metric's name.
    """

    def __init__(self, asha: Asha, *, metric: str | None = None, mode: str | None = None) -> None:
        self._asha = asha
        self._metrics: Final = PREFERRED if metric is None else (metric,)
        self._mode = mode
        self._metric: str | None = None
        self._scheduler: Any = None
        self._news: defaultdict[str, News] = defaultdict(News)
        self._known: set[str] = set()

    def tell(self, key: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Say what a trial has recorded before; nothing is decided about these rows."""
        for row in self._news[key].only_new(rows):
            self._falls_behind(key, row)

    def hear(self, key: str, rows: Sequence[Mapping[str, float]]) -> bool:
        """Take a trial's next rows and return whether it has fallen behind.

        Args:
            key: The trial.
            rows: What it recorded; those that were told before are passed over.
        """
        behind = [self._falls_behind(key, row) for row in self._news[key].only_new(rows)]
        return any(behind)  # each row is told: a rung may lie on any of them

    def _falls_behind(self, key: str, row: Mapping[str, float]) -> bool:
        if self._metric is None:
            self._begin(row)
        value = row.get(self._metric or "", math.nan)
        if not math.isfinite(value) or self._asha.time_attr not in row:
            return False
        contestant = _Contestant(key)
        if key not in self._known:
            self._known.add(key)
            self._scheduler.on_trial_add(None, contestant)
        result = {self._asha.time_attr: row[self._asha.time_attr], self._metric: value}
        decision = self._scheduler.on_trial_result(None, contestant, result)
        return bool(decision == TrialScheduler.STOP)

    def _begin(self, row: Mapping[str, float]) -> None:
        """Settle the metric once there is one."""
        found = next((name for name in self._metrics if name in row), None)
        if found is None:
            return
        mode: Mode
        self._metric, mode = resolve_metric([], found, self._mode)
        self._scheduler = ASHAScheduler(
            time_attr=self._asha.time_attr,
            metric=self._metric,
            mode=mode,
            max_t=self._asha.max_t,
            grace_period=self._asha.grace_period,
            reduction_factor=self._asha.reduction_factor,
            stop_last_trials=False,  # how long a trial practises is said by its kid
        )
