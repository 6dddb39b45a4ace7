"""One sweep of an experiment trains at a time."""

import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.errors import TrackingError
from akid.testing.memory_tracker import MemoryTracker
from akid.tuning.lock import LockTiming, SweepLock
from akid.tuning.owner import Owner

QUICK = LockTiming(look_s=0.002, beat_s=0.01, patience_s=0.15, say_s=60)
ELSEWHERE = replace(Owner.here(), host="another-host")
DEAD = replace(Owner.here(), started="1")


class LateTracker(MemoryTracker):
    """A store that takes its time, so that threads meet in every order."""

    def __init__(self, pauses_ms: list[int]) -> None:
        super().__init__()
        self._pauses_ms = pauses_ms
        self._count = 0
        self._guard = threading.Lock()

    def _pause(self) -> None:
        self._count += 1
        time.sleep(self._pauses_ms[self._count % len(self._pauses_ms)] / 1000)

    def start_sweep(self, name, *, tags):
        self._pause()
        with self._guard:
            return super().start_sweep(name, tags=tags)

    def set_tags(self, run_id, tags):
        self._pause()
        with self._guard:
            super().set_tags(run_id, dict(tags))

    def open_runs(self):
        with self._guard:
            found = [replace(run, tags=dict(run.tags)) for run in super().open_runs()]
        self._pause()
        return found


def lock(tracker, name: str = "sweep", owner: Owner | None = None, **arguments) -> SweepLock:
    tags = (owner or Owner.here()).tags()
    arguments = {"on_lost": pytest.fail, "timing": QUICK, **arguments}
    return SweepLock(tracker, name, tags=tags, **arguments)


def train(tracker, held: SweepLock) -> None:
    held.hand_on()
    tracker.end_sweep(held.run_id, status="FINISHED", summary={}, ended_s=0.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=9))
def test_never_two_hold_it(pauses_ms: list[int]) -> None:
    """Whatever the order in which the store hears of them, and each has its turn."""
    tracker = LateTracker(pauses_ms)
    holders: list[str] = []
    most: list[int] = []

    def sweep(name: str) -> None:
        with lock(tracker, name) as held:
            holders.append(name)
            most.append(len(holders))
            time.sleep(0.003)
            holders.remove(name)
            train(tracker, held)

    threads = [threading.Thread(target=sweep, args=(f"sweep {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert most == [1] * 4
    assert {run.status for run in tracker.runs.values()} == {"FINISHED"}


def test_who_waits_says_for_whom(caplog: pytest.LogCaptureFixture) -> None:
    """The sweep's name, its process and its machine, once."""
    tracker = MemoryTracker()
    first = lock(tracker, "first")
    with first:
        waiting = threading.Thread(target=lambda: lock(tracker, "second").__enter__().release())
        waiting.start()
        time.sleep(0.05)
        assert waiting.is_alive()
        train(tracker, first)
    waiting.join(timeout=5)

    (record,) = caplog.records
    assert "waits for the sweep" in record.message
    assert f"process {Owner.here().pid} on {Owner.here().host}" in record.message


def test_a_dead_process_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """On this machine at once, also when its number belongs to another process by now."""
    tracker = MemoryTracker()
    left = tracker.start_sweep("left", tags={**DEAD.tags(), "akid.lock_ticket": "7"})
    began_s = time.monotonic()

    with lock(tracker, timing=replace(QUICK, patience_s=60.0)) as held:
        assert tracker.runs[left].status == "KILLED"
        train(tracker, held)

    assert time.monotonic() - began_s < 5
    assert "which has died" in caplog.text


@pytest.mark.parametrize("ticket", ["1", "choosing"])
def test_a_heart_that_stands_still_elsewhere_is_dead(ticket: str) -> None:
    """Whatever its clock said: the time is that of the one who waits."""
    tracker = MemoryTracker()
    tags = {**ELSEWHERE.tags(), "akid.lock_ticket": ticket, "akid.lock_beat": "99"}
    left = tracker.start_sweep("left", tags=tags)
    began_s = time.monotonic()

    with lock(tracker) as held:
        assert time.monotonic() - began_s >= QUICK.patience_s
        train(tracker, held)

    assert tracker.runs[left].status == "KILLED"


def test_a_heart_that_beats_elsewhere_is_waited_for() -> None:
    """For longer than the patience with one that stands still."""
    tracker = MemoryTracker()
    first = lock(tracker, "first", owner=ELSEWHERE)
    entered = threading.Event()

    def wait() -> None:
        with lock(tracker, "second") as held:
            entered.set()
            train(tracker, held)

    with first:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(3 * QUICK.patience_s)
        train(tracker, first)
    assert entered.wait(5)
    waiting.join()


def test_the_heart_beats_until_the_store_has_all() -> None:
    """Who still tells it is not taken for dead, and that it closes its own run is no loss."""
    tracker = MemoryTracker()
    entered, told = threading.Event(), list[str]()

    def wait() -> None:
        with lock(tracker, "second") as held:
            entered.set()
            train(tracker, held)

    with lock(tracker, "first", owner=ELSEWHERE, on_lost=told.append) as first:
        waiting = threading.Thread(target=wait)
        waiting.start()
        first.hand_on()
        assert not entered.wait(3 * QUICK.patience_s)
        train(tracker, first)
        assert entered.wait(5)
        time.sleep(5 * QUICK.beat_s)
        first.release()
    waiting.join()

    assert not told
    assert {run.status for run in tracker.runs.values()} == {"FINISHED"}


def test_who_was_taken_for_dead_is_told() -> None:
    """So that its trials do not run twice for long."""
    tracker = MemoryTracker()
    told: list[str] = []
    with lock(tracker, on_lost=told.append) as held:
        tracker.end_sweep(held.run_id, status="KILLED", summary={}, ended_s=0.0)
        deadline_s = time.monotonic() + 5
        while not told and time.monotonic() < deadline_s:
            time.sleep(0.005)
        held.hand_on()

    assert told == ["another sweep of this experiment took this one for dead"]


def test_a_sweep_that_trained_nothing_leaves_no_run() -> None:
    """Neither one that found nothing to do, nor one that was interrupted while it waited."""
    tracker = MemoryTracker()
    with lock(tracker):
        assert len(tracker.runs) == 1
    assert not tracker.runs


def test_a_store_out_of_reach_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then it is an error, without a run of which nobody knows."""
    tracker = MemoryTracker()
    first = lock(tracker, "first")
    with first:
        entering = lock(tracker, "second", timing=replace(QUICK, patience_s=0.05))
        real, count = tracker.open_runs, iter(range(10**6))

        def refuse() -> list:
            if next(count) == 0:
                return real()
            raise TrackingError("gone")

        monkeypatch.setattr(tracker, "open_runs", refuse)
        with pytest.raises(TrackingError, match="gone"):
            entering.__enter__()
        monkeypatch.undo()
        assert [run.name for run in tracker.runs.values()] == ["first"]
        train(tracker, first)


def test_runs_that_know_of_no_lock_are_left_alone() -> None:
    """A run that a person has opened in the experiment is none of akid's business."""
    tracker = MemoryTracker()
    other = tracker.start_sweep("by hand", tags={})

    with lock(tracker) as held:
        train(tracker, held)

    assert tracker.runs[other].status == "RUNNING"
