"""Whatever the store does, each event arrives once, or is said to be missing."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.errors import RefusedError, TrackingError
from akid.testing.memory_tracker import MemoryTracker
from akid.testing.tracker_contract import make_trial
from akid.tuning.delivery import Delivery
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.tracking_events import Ended, Left, Recorded, Started, SweepEnded, Tagged

WRITES = ("start_trial", "log_rows", "set_tags", "log_files", "end_trial", "end_sweep")


class MoodyTracker(MemoryTracker):
    """A store that carries out a call, refuses it, or carries it out and fails then.

    The mood is asked before each call that writes: "well", "down" (nothing happens), "late" (it is
    carried out, and an error is raised all the same), or "never" (refused for good).
    """

    def __init__(self, mood) -> None:
        super().__init__()
        self.mood = mood
        self.calls: list[str] = []


def _moody(name):
    def call(self, *args, **kwargs):
        mood = self.mood(name, args)
        self.calls.append(name)
        if mood == "down":
            raise TrackingError("no answer")
        if mood == "never":
            raise RefusedError("of no use")
        result = getattr(MemoryTracker, name)(self, *args, **kwargs)
        if mood == "late":
            raise TrackingError("no answer in time")
        return result

    return call


for _name in WRITES:
    setattr(MoodyTracker, _name, _moody(_name))


def happenings(trials: int = 2) -> list:
    """Return what happens in a sweep whose trials run side by side."""
    own = [
        [
            Started(start=TrialStart.of(make_trial(index), tags={})),
            Recorded(index=index, rows=[{"step": 1, "time_s": 1.0, "loss": 4.0}]),
            Tagged(index=index, tags={"akid.worker_host": "here"}),
            Recorded(index=index, rows=[{"step": 2, "time_s": 2.0, "loss": 3.0}]),
            Left(index=index, texts={"trial.py": f"trial {index}"}),
            Ended(index=index, end=TrialEnd(status="FINISHED", ended_s=3.0)),
        ]
        for index in range(trials)
    ]
    mixed = itertools.chain.from_iterable(zip(*own, strict=True))
    said = Tagged(index=None, tags={"mlflow.note.content": "a table"})
    return [*mixed, said, SweepEnded(status="FINISHED", summary={}, ended_s=4.0)]


def begin(tracker: MemoryTracker, folder) -> tuple[Delivery, Spool]:
    sweep = tracker.start_sweep("sweep", tags={})
    spool = Spool(folder / f"{sweep}.jsonl", SpoolHead(uri="", experiment="test", sweep=sweep))
    return Delivery(tracker, spool), spool


def stored(tracker: MemoryTracker) -> list:
    """Return what the store has, without the names of its runs."""
    return sorted(
        (run.name, run.status, run.rows, run.tags, run.artifacts) for run in tracker.runs.values()
    )


@pytest.fixture
def undisturbed(tmp_path) -> list:
    """Return what a store has that always answers."""
    tracker = MoodyTracker(lambda *_: "well")
    delivery, spool = begin(tracker, tmp_path)
    delivery.tell(happenings())
    delivery.close()
    assert not spool.file.exists()
    return stored(tracker)


@settings(max_examples=20, deadline=None)
@given(
    moods=st.lists(st.sampled_from(["well", "down", "late"]), max_size=30),
    batches=st.lists(st.integers(1, 4), max_size=8),
    reopened=st.booleans(),
)
def test_each_event_arrives_once(tmp_path_factory, moods, batches, reopened) -> None:
    """In whatever order calls fail, also when another process goes on with what is left."""
    folder = tmp_path_factory.mktemp("sweep")
    coming = iter(moods)
    tracker = MoodyTracker(lambda *_: next(coming, "well"))
    delivery, spool = begin(tracker, folder)
    events = happenings()
    for size in batches:
        delivery.tell(events[:size])
        del events[:size]
        delivery.retry()
    delivery.tell(events)
    if reopened:
        delivery.close()
        spool = Spool.open_left(spool.file)
        delivery = Delivery(tracker, spool) if spool is not None else delivery
    for _ in range(len(moods) + 2):
        delivery.retry()
    delivery.close()

    assert (delivery.waiting, delivery.refused) == (0, [])
    assert list(folder.glob("*.jsonl")) == []
    calm = MoodyTracker(lambda *_: "well")
    undisturbed, _ = begin(calm, folder / "calm")
    undisturbed.tell(happenings())
    assert stored(tracker) == stored(calm)


def test_a_store_that_is_down_is_left_alone_until_the_pause_is_over(tmp_path) -> None:
    """One call finds out; the pause doubles; the rest goes to the spool without asking."""
    tracker = MoodyTracker(lambda *_: "down")
    delivery, spool = begin(tracker, tmp_path)

    delivery.tell(happenings())
    assert len(tracker.calls) == 1
    assert delivery.waiting == len(happenings())
    first_s = delivery.wait_s()
    delivery.retry()
    assert 0 < first_s <= 0.5 < delivery.wait_s() <= 1.0
    assert len(tracker.calls) == 3  # after two trials the rest is left alone, too
    assert spool.file.exists()
    delivery.close()


def test_artifacts_that_are_refused_hold_up_nothing_else(tmp_path, undisturbed) -> None:
    """Metrics and ends arrive at once; the artifacts follow."""
    mood = "down"
    tracker = MoodyTracker(lambda name, _: mood if name == "log_files" else "well")
    delivery, _ = begin(tracker, tmp_path)

    delivery.tell(happenings())
    assert {run.status for run in tracker.runs.values()} == {"FINISHED"}
    assert delivery.waiting == 2
    mood = "well"
    delivery.retry()
    assert stored(tracker) == undisturbed
    delivery.close()


def test_one_event_that_never_passes_holds_up_only_its_trial(tmp_path, undisturbed) -> None:
    """It may be the event's own fault."""
    wrong = True
    tracker = MoodyTracker(
        lambda name, args: "down" if wrong and name == "log_rows" and args[0] == "run1" else "well"
    )
    delivery, _ = begin(tracker, tmp_path)

    delivery.tell(happenings())
    delivery.retry()
    assert [run.status for run in tracker.runs.values()] == ["FINISHED", "RUNNING", "FINISHED"]
    wrong = False
    delivery.retry()
    assert stored(tracker) == undisturbed
    delivery.close()


def test_what_is_refused_for_good_is_said_and_does_not_wait(tmp_path) -> None:
    """The rest of the run is written."""
    tracker = MoodyTracker(lambda name, _: "never" if name == "log_rows" else "well")
    delivery, _ = begin(tracker, tmp_path)

    delivery.tell(happenings())

    assert (delivery.waiting, delivery.refused) == (0, ["of no use"] * 4)
    assert {run.status for run in tracker.runs.values()} == {"FINISHED"}
    delivery.close()


def test_a_run_that_opens_late_is_no_double(tmp_path) -> None:
    """A call seemed to fail, a second one opened a run, then the first was carried out."""
    moods = iter(["down"])
    tracker = MoodyTracker(lambda *_: next(moods, "well"))
    delivery, _ = begin(tracker, tmp_path)
    events = happenings(1)

    delivery.tell(events[:2])
    delivery.retry()
    sweep = next(iter(tracker.runs))
    late = MemoryTracker.start_trial(tracker, events[0].start, parent_id=sweep)
    delivery.tell(events[2:])

    assert late not in tracker.runs
    assert len(tracker.known_runs()) == 1
    delivery.close()


@pytest.mark.parametrize(
    ("is_refused", "left"),
    [
        (lambda end: end.tags, {"best/loss": 1.0}),
        (lambda end: end.summary, {}),
    ],
    ids=["tags", "metrics"],
)
def test_a_run_whose_end_is_refused_is_closed_all_the_same(tmp_path, is_refused, left) -> None:
    """With as much as the store takes; that something is missing is said once."""
    tracker = MoodyTracker(
        lambda name, args: "never" if name == "end_trial" and is_refused(args[1]) else "well"
    )
    delivery, _ = begin(tracker, tmp_path)
    end = TrialEnd(status="FAILED", summary={"best/loss": 1.0}, tags={"akid.error": "mine"})

    delivery.tell([*happenings(1)[:-3], Ended(index=0, end=end)])

    (run,) = (run for run in tracker.runs.values() if run.parent_id is not None)
    assert (run.status, run.summary, "akid.error" in run.tags) == ("FAILED", left, False)
    assert (delivery.waiting, delivery.refused) == (0, ["of no use"])
    delivery.close()
