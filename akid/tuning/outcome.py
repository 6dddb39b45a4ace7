"""Outcome: what a finished trial gave, as its worker wrote it down."""

import time
from dataclasses import dataclass, field
from typing import Final

from akid.tuning.execute import Row
from akid.tuning.results import FINISHED
from akid.tuning.tracking import TrialEnd

_UNSAVED: Final = "unsaved_checkpoints"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a finished trial gave.

    Whoever tells a store of it, the driver or a later sweep, tells the same: a trial whose end was
    written by half is not there twice.

    Attributes:
        final: The metrics of the last rows.
        best: The metrics of the best validation, with its `step`.
        test: The metrics of the best weights on the test split; empty where there is none.
        usage: What it took of its GPUs, a gang of all its workers', as `gpu/*`; empty without.
        duration_s: From loading the source to the last row.
        unsaved_checkpoints: How many checkpoints a full disk did not take.
        ended_s: When it came to its end, in seconds since 1970.
    """

    final: Row
    best: Row
    test: Row
    usage: Row = field(default_factory=dict)
    duration_s: float
    unsaved_checkpoints: int = 0
    ended_s: float = field(default_factory=time.time)

    @property
    def end(self) -> TrialEnd:
        """How the trial ended, for a tracker: its results are metrics of the whole trial.

        >>> Outcome(final={}, best={"val_loss": 0.5}, test={"test_loss": 0.7}, duration_s=3.0,
        ...         ended_s=9.0).end.summary
        {'best/val_loss': 0.5, 'test/loss': 0.7, 'duration_s': 3.0}
        """
        unsaved = {_UNSAVED: float(self.unsaved_checkpoints)} if self.unsaved_checkpoints else {}
        best = {f"best/{name}": value for name, value in self.best.items()}
        test = {f"test/{n.removeprefix('test_')}": value for n, value in self.test.items()}
        summary = {**self.usage, **unsaved, **best, **test, "duration_s": self.duration_s}
        return TrialEnd(status=FINISHED, summary=summary, ended_s=self.ended_s)
