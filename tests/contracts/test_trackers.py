"""Every tracker of akid keeps the contract for trackers."""

import itertools

import pytest
from mlflow import MlflowClient

from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import TrackerContract
from akid.tuning.mlflow_tracker import MlflowTracker

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
