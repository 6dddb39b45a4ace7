"""Events of one trial are joined where the store is asked once for what else it is asked twice."""

from akid.testing.tracker_contract import make_trial
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.tracking_events import Ended, Recorded, Started, Tagged, joined


def started(index: int, **tags: str) -> Started:
    return Started(start=TrialStart.of(make_trial(index), tags=tags))


def test_what_is_said_of_a_run_is_said_when_it_is_opened() -> None:
    """Another trial's events in between, and rows after it, change nothing; later words win."""
    one, two = joined(
        [
            started(0, host="here", commit="abc"),
            started(1),
            Tagged(index=0, tags={"host": "there"}),
            Tagged(index=0, tags={"gpu": "none"}),
        ]
    )

    assert isinstance(one, Started)
    found = {name: one.start.tags[name] for name in ("host", "commit", "gpu", "akid.index")}
    assert found == {"host": "there", "commit": "abc", "gpu": "none", "akid.index": "0"}
    assert two.index == 1


def test_the_order_within_a_trial_stays() -> None:
    """Nothing is moved over an event of another kind."""
    row = {"step": 1, "time_s": 0.0, "loss": 0.5}
    events = [
        started(0),
        Recorded(index=0, rows=[row]),
        Tagged(index=0, tags={"note": "a"}),
        Recorded(index=0, rows=[row]),
        Ended(index=0, end=TrialEnd(status="FINISHED")),
    ]

    assert joined(events) == events
