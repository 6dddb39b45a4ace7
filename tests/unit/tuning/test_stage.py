"""The stage hands to Ray Tune what the ledger wants, and nothing that is given up."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, RuntimeEnvSetupError
from ray.tune.search import Searcher

from akid.cluster import connection
from akid.cluster.resources import ClusterCapacity, Node
from akid.cluster.work_dir import WorkDir
from akid.testing.tracker_contract import make_trial
from akid.tuning import stage as stage_module
from akid.tuning.attempt import ATTEMPT, TRIAL_INDEX
from akid.tuning.ending import Ending
from akid.tuning.failure import RetryPolicy
from akid.tuning.messages import Close, Interrupted
from akid.tuning.metric_check import MetricCheck
from akid.tuning.needs import Needs
from akid.tuning.orders import StopOrders
from akid.tuning.stage import AT_HAND, Stage
from akid.tuning.trial_folders import TrialFolders


class Ends:
    """Hears how trials end that never began."""

    def __init__(self) -> None:
        self.statuses: list[tuple[int, str]] = []

    def on_end(self, close: Close) -> None:
        assert (close.reason, close.error, close.failure) == ("interrupted", "", None)
        self.statuses.append((close.index, close.status))


def make_stage(tmp_path: Path, listener: Any, policy: RetryPolicy | None = None) -> Stage:
    trials = [make_trial(index) for index in range(3)]
    return Stage(
        trials,
        listener,
        TrialFolders(WorkDir.of(tmp_path), trials, {}),
        halving=None,
        metric_check=MetricCheck(None),
        needs=Needs(trials, ClusterCapacity(nodes=())),
        orders=StopOrders(tmp_path / "orders"),
        ending=Ending(),
        policy=policy or RetryPolicy(),
        max_concurrent=None,
    )


def test_attempts_that_were_due_are_not_begun_after_an_interrupt(tmp_path: Path) -> None:
    """Each trial's end is told, and Tune hears that nothing more comes."""
    ends = Ends()
    stage = make_stage(tmp_path, ends)

    stage.tell(Interrupted())

    assert stage.next_attempt() == Searcher.FINISHED
    assert stage.is_over
    assert ends.statuses == [(0, "SKIPPED"), (1, "SKIPPED"), (2, "SKIPPED")]
    assert list(tmp_path.iterdir()) == []


class Hears:
    """Hears why trials are tried again, and with what error they end."""

    def __init__(self) -> None:
        self.retries: list[str] = []
        self.errors: list[str] = []

    def on_start(self, position: int) -> None:
        """Nothing hangs on it."""

    def on_retry(self, position: int, reason: str) -> None:
        assert position == 0
        self.retries.append(reason)

    def on_end(self, close: Close) -> None:
        assert close.index == 0
        self.errors.append(close.error)


@pytest.fixture
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cluster have room for all."""
    capacity = ClusterCapacity(nodes=(Node(cpus=8, gpus=0),))
    for name in ("capacity", "free"):
        monkeypatch.setattr(connection, name, lambda: capacity)


@pytest.mark.usefixtures("_large")
def test_a_folder_that_can_not_be_renamed_costs_its_trial_only(tmp_path: Path, monkeypatch) -> None:
    """It ended the sweep: Tune asks for attempts where no error is expected."""
    hears = Hears()
    stage = make_stage(tmp_path, hears, RetryPolicy(lost=1, first_pause_s=1e-6))
    (tmp_path / make_trial(0).slug).mkdir()

    def refuse(folder: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(folder), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    handed_out = [stage.next_attempt() for _ in range(4)]

    assert [attempt[TRIAL_INDEX] for attempt in handed_out if attempt is not None] == [1, 2]
    (told,) = hears.errors
    assert told.startswith("its folder: expected one that can be renamed and written, got: [Errno")
    assert hears.retries == [f"lost, {told}"]


TASK_ERROR = """Traceback (most recent call last):
  File "torch/__init__.py", line 1, in <module>
ImportError: libcudart.so.12: cannot open shared object file"""
BROKEN = ActorDiedError(RayTaskError("TrialWorker.__init__", TASK_ERROR, ImportError("libcudart")))


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BROKEN, "its process did not come up: ImportError: libcudart.so.12: cannot open shared"),
        (RuntimeEnvSetupError("pip: no such package\n"), "come up: pip: no such package. Each"),
        (ActorDiedError(), "its process ended without a Python error"),
        (None, "its process ended without a Python error"),
    ],
    ids=["begin", "environment", "death", "unknown"],
)
def test_why_a_process_is_lost_is_told_truly(tmp_path: Path, error, told) -> None:
    """One that did not come up has said why, with its last lines; one that died has not."""
    hears = Hears()
    stage = make_stage(tmp_path, hears, RetryPolicy(lost=0))
    attempt = SimpleNamespace(config=stage.next_attempt())
    stage.know(SimpleNamespace(_actor_to_trial={"actor": attempt}, _actor_manager=None))
    stage.begin(attempt)

    if error is not None:
        stage.hear_of_error("actor", error)
    stage.lose(attempt)

    (said,) = hears.errors
    assert told in said.splitlines()[-1]
    assert ("torch/__init__.py" in said) == (error is BROKEN)


class Attempt:
    """What Tune has of an attempt that has not begun."""

    def __init__(self, index: int) -> None:
        self.config = {TRIAL_INDEX: index, ATTEMPT: 1}


class Controller:
    """Tune's controller, as far as it is asked: who waits, and for which process."""

    def __init__(
        self, *, starting: list[Attempt], asked: list[Attempt], new: list[Attempt]
    ) -> None:
        self._pending_trials = {*starting, *asked, *new}
        self._trial_to_actor = {attempt: id(attempt) for attempt in (*starting, *asked)}
        self._actor_manager = SimpleNamespace(pending_actors=[id(attempt) for attempt in asked])
        self.update_max_pending_trials = self._note
        self.most = 0

    def _note(self, most: int) -> None:
        self.most = most


def test_a_free_process_goes_to_an_attempt_that_has_none_on_its_way(tmp_path: Path) -> None:
    """In the trials' order; a process that is just starting is left to its attempt."""
    stage = make_stage(tmp_path, Ends())
    first, second, third = (Attempt(index) for index in range(3))
    assert stage.next_to_run() is None  # Tune has not begun

    busy = Controller(starting=[first], asked=[third], new=[second])
    stage.know(busy)
    assert stage.next_to_run() is second
    assert busy.most == AT_HAND + 1

    full = Controller(starting=[first, second, third], asked=[], new=[])
    stage.know(full)
    assert stage.next_to_run() is None
    assert full.most == AT_HAND + 3  # so that there are others soon


class Listens:
    """Hears of trials that run."""

    def on_start(self, index: int) -> None: ...

    def on_rows(self, index: int, rows: list) -> None: ...


class Running(Attempt):
    """What Tune has of an attempt that runs."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.temporary_state = SimpleNamespace(ray_actor=index)


def test_trials_are_not_stalled_because_the_driver_stood_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they said meanwhile is heard one by one; who says nothing after that is stalled."""
    now_s, killed = [0.0], []
    monkeypatch.setattr(stage_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr(stage_module.ray, "kill", killed.append)
    stage = make_stage(tmp_path, Listens(), RetryPolicy(stall_s=5))
    attempts = [Running(index) for index in range(3)]
    for attempt in attempts:
        stage.begin(attempt)
        stage.hear(attempt, {"rows": [{"step": 1}]})
    stage.tick()

    now_s[0] += 100
    stage.hear(attempts[0], {"rows": [{"step": 2}]})  # Tune was asleep while it waited for results
    stage.tick()
    stage.hear(attempts[1], {"rows": [{"step": 2}]})
    assert killed == []
    for _ in range(8):
        now_s[0] += 1
        stage.tick()
        for attempt in attempts[:2]:
            stage.hear(attempt, {"rows": [{"step": 3}]})

    assert killed == [2]


class Waits:
    """Hears what is waited for, and which trials are given up."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def on_wait(self, what: str) -> None: ...

    def on_end(self, close: Close) -> None:
        self.errors.append(close.error)


def test_processes_are_not_given_up_because_the_driver_stood_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have come up meanwhile, which Tune hears next; if not, a minute counts as ever."""
    now_s, waits = [0.0], Waits()
    machine = ClusterCapacity(nodes=(Node(cpus=2),))
    known = SimpleNamespace(capacity=lambda: machine, free=lambda: machine)
    monkeypatch.setattr(stage_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr(stage_module, "connection", known)
    stage = make_stage(tmp_path, waits, RetryPolicy(wait_s=5))
    stage.know(SimpleNamespace(_actor_manager=SimpleNamespace(num_live_actors=1)))

    for passed_s in (0, 2, 1000, *[2] * 28):
        now_s[0] += passed_s
        stage.tick()
    assert waits.errors == []
    now_s[0] += 2
    stage.tick()

    assert ["expected a process within 60 s" in error for error in waits.errors] == [True] * 3
