"""Every tracker of akid keeps the contract for trackers."""

import itertools
from dataclasses import asdict

import pytest
from mlflow import MlflowClient

from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import TrackerContract, make_trial
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.outcome import Outcome
from akid.tuning.rows import RowFile
from akid.tuning.settling import close_left_open
from akid.tuning.tracking import FOLDER_TAG, TrialStart

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("alembic", "mlflow", "sqlalchemy")
]


class TestMemoryTracker(TrackerContract):
    """The contract, for the tracker without a store."""

    def make_tracker(self):
        return MemoryTracker()

    def history(self, tracker, run_id, name):
        return [(row["step"], row[name]) for row in tracker.runs[run_id].rows]


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


class TestMlflowTracker(TrackerContract):
    """The contract, for a file of MLflow's; each test has an experiment of its own in it."""

    names = itertools.count()

    @pytest.fixture(autouse=True)
    def _use(self, uri):
        self.uri = uri

    def make_tracker(self):
        self.experiment = f"contract{next(self.names)}"
        return MlflowTracker(self.uri, self.experiment)

    def reopen(self, tracker):  # noqa: ARG002
        return MlflowTracker(self.uri, self.experiment)

    def history(self, tracker, run_id, name):  # noqa: ARG002
        points = MlflowClient(tracking_uri=self.uri).get_metric_history(run_id, name)
        return [(point.step, point.value) for point in points]

    def test_an_end_that_was_told_by_half_is_told_once(self, tmp_path, monkeypatch) -> None:
        """A driver is killed between two calls; the next sweep tells what the trial came to."""
        trial, tracker = make_trial(0), self.make_tracker()
        rows = RowFile(tmp_path, trial.key)
        rows.begin()
        row = {"step": 1, "time_s": 1.0, "val_loss": 0.5}
        rows.add(row)
        outcome = Outcome(final={}, best={"val_loss": 0.5}, test={}, duration_s=2.0)
        rows.end(asdict(outcome))
        rows.close()
        start = TrialStart.of(trial, tags={FOLDER_TAG: str(tmp_path)})
        run_id = tracker.start_trial(start, parent_id=tracker.start_sweep("sweep", tags={}))
        tracker.log_rows(run_id, [row])

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(MlflowClient, "set_terminated", die)
        with pytest.raises(KeyboardInterrupt):
            tracker.end_trial(run_id, outcome.end)
        monkeypatch.undo()

        assert close_left_open(self.reopen(tracker), is_alone=True) == 1
        assert MlflowClient(tracking_uri=self.uri).get_run(run_id).info.status == "FINISHED"
        assert self.history(tracker, run_id, "val_loss") == [(1, 0.5)]
        assert self.history(tracker, run_id, "best/val_loss") == [(0, 0.5)]
        assert self.history(tracker, run_id, "duration_s") == [(0, 2.0)]
