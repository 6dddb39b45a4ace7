"""The stage hands to Ray Tune what the ledger wants, and nothing that is given up."""

from pathlib import Path

from ray.tune.search import Searcher

from akid.cluster.resources import ClusterCapacity
from akid.cluster.work_dir import WorkDir
from akid.testing.tracker_contract import make_trial
from akid.tuning.ending import Ending
from akid.tuning.failure import RetryPolicy
from akid.tuning.messages import Interrupted
from akid.tuning.needs import Needs
from akid.tuning.orders import StopOrders
from akid.tuning.stage import Stage
from akid.tuning.trial_folders import TrialFolders


class Ends:
    """Hears how trials end that never began."""

    def __init__(self) -> None:
        self.statuses: list[tuple[int, str]] = []

    def on_end(self, position: int, status: str, reason: str, error: str) -> None:
        assert (reason, error) == ("interrupted", "")
        self.statuses.append((position, status))


def test_attempts_that_were_due_are_not_begun_after_an_interrupt(tmp_path: Path) -> None:
    """Each trial's end is told, and Tune hears that nothing more comes."""
    trials = [make_trial(index) for index in range(3)]
    ends = Ends()
    stage = Stage(
        trials,
        ends,
        TrialFolders(WorkDir.of(tmp_path), trials, {}),
        halving=None,
        needs=Needs(trials, ClusterCapacity(nodes=())),
        orders=StopOrders(tmp_path / "orders"),
        ending=Ending(),
        policy=RetryPolicy(),
        max_concurrent=None,
    )

    stage.tell(Interrupted())

    assert stage.next_attempt() == Searcher.FINISHED
    assert stage.is_over
    assert ends.statuses == [(0, "KILLED"), (1, "KILLED"), (2, "KILLED")]
    assert list(tmp_path.iterdir()) == []
