"""The writer: one thread tells the tracker everything, in order, and training never waits."""
# ruff: noqa: ARG002 (a tracker that keeps little)

from collections.abc import Mapping, Sequence

import pytest

from akid.cluster.resources import ResourceRequest
from akid.errors import TrackingError
from akid.tuning import tracking
from akid.tuning.experiment import Experiment
from akid.tuning.plan import KnownRun
from akid.tuning.template import Template
from akid.tuning.tracking import Metrics, Tracker, TrackingWriter, TrialEnd
from akid.tuning.trial import Trial, make_trials


class ListTracker(Tracker):
    """Keeps in a list what it is told; refuses the first `refusals` calls."""

    def __init__(self, refusals: int = 0) -> None:
        self.told: list[tuple] = []
        self._refusals = refusals

    def _note(self, *what: object) -> None:
        if self._refusals:
            self._refusals -= 1
            raise TrackingError("no answer")
        self.told.append(what)

    def known_runs(self) -> list[KnownRun]:
        return []

    def close_left_open(self) -> int:
        return 0

    def start_sweep(self, name: str, *, tags: Mapping[str, str], texts: Mapping[str, str]) -> str:
        return "parent"

    def start_trial(
        self, trial: Trial, *, parent_id: str, tags: Mapping[str, str], goes_on: str | None = None
    ) -> str:
        self._note("start", trial.index, parent_id)
        return f"run {trial.index}"

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        self._note("rows", run_id, [row["step"] for row in rows])

    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        self._note("end", run_id, end.status)

    def end_sweep(self, run_id: str, *, status: str, summary: Metrics) -> None:
        self._note("end sweep", run_id)


@pytest.fixture
def trials() -> list[Trial]:
    experiment = Experiment(
        name="test",
        template=Template("def setup():\n    return {{ opt_paras['lr'] }}\n", "test.py"),
        opt_paras_list=[{"lr": 0.1}, {"lr": 0.2}],
    )
    return make_trials(experiment, [ResourceRequest()] * 2)


def test_neighbouring_rows_of_a_trial_become_one_batch(trials) -> None:
    """Start, rows and end of each trial keep their order."""
    tracker = ListTracker()
    writer = TrackingWriter(tracker, parent_id="parent")
    for trial in trials:
        writer.start_trial(trial, tags={})
    for step in range(3):
        for trial in trials:
            writer.log_rows(trial.index, [{"step": step}])
    for trial in trials:
        writer.end_trial(trial.index, TrialEnd(status="FINISHED"))

    assert writer.close() == []
    assert writer.run_ids == {0: "run 0", 1: "run 1"}
    for index in (0, 1):
        own = [what for what in tracker.told if what[1] in (index, f"run {index}")]
        assert [what[0] for what in own] == ["start", "rows", "end"]
        assert own[1][2] == [0, 1, 2]


def test_a_refused_call_is_tried_again(trials, monkeypatch) -> None:
    """A moment's fault of the store loses nothing."""
    monkeypatch.setattr(tracking, "_RETRY_PAUSES_S", (0.0, 0.0))
    tracker = ListTracker(refusals=2)
    writer = TrackingWriter(tracker, parent_id="parent")
    writer.start_trial(trials[0], tags={})

    assert writer.close() == []
    assert tracker.told == [("start", 0, "parent")]


def test_what_is_refused_for_good_is_told_at_the_end(trials, monkeypatch) -> None:
    """The sweep goes on; later calls for the same run say why they fail."""
    monkeypatch.setattr(tracking, "_RETRY_PAUSES_S", (0.0,))
    writer = TrackingWriter(ListTracker(refusals=2), parent_id="parent")
    writer.start_trial(trials[0], tags={})
    writer.end_trial(0, TrialEnd(status="FINISHED"))

    assert writer.close() == [
        "no answer",
        "trial 0: expected an open run, but it could not be opened.",
    ]
