"""Fewer rows: what has no later value stays, the oldest go first."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from akid.tuning.thinning import last_rows, thinned
from akid.tuning.tracking import TrialEnd
from akid.tuning.tracking_events import Ended, Event, Recorded, Tagged, encode

NAMES = ("loss", "val_loss", "rate")


def size_bytes(event: Event) -> int:
    return len(json.dumps(encode(event)))


def final(events: list[Event]) -> dict:
    """Return the last value of each metric of each trial."""
    return {
        (event.index, name): value
        for event in events
        if isinstance(event, Recorded)
        for row in event.rows
        for name, value in row.items()
        if name in NAMES
    }


rows = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.floats(allow_nan=False), min_size=1).map(
        lambda metrics: {"step": 1, "time_s": 0.5, **metrics}
    ),
    max_size=12,
)
events = st.lists(
    st.one_of(
        st.builds(lambda i, r: Recorded(index=i, rows=r), st.integers(0, 2), rows),
        st.builds(lambda i: Tagged(index=i, tags={"a": "b"}), st.integers(0, 2)),
        st.builds(lambda i: Ended(index=i, end=TrialEnd(status="FINISHED")), st.integers(0, 2)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(events, st.integers(0, 4000))
def test_nothing_that_counts_is_dropped(given_events, max_bytes) -> None:
    """Other events, the order, and each trial's last values stay; what remains fits if it can."""
    kept, dropped = thinned(given_events, max_bytes, size_bytes)

    assert [type(event) for event in kept] == [type(event) for event in given_events]
    assert [e for e in kept if not isinstance(e, Recorded)] == [
        e for e in given_events if not isinstance(e, Recorded)
    ]
    assert final(kept) == final(given_events)
    counts = [len(e.rows) for e in given_events if isinstance(e, Recorded)]
    left = [len(e.rows) for e in kept if isinstance(e, Recorded)]
    assert sum(counts) - sum(left) == dropped
    if sum(map(size_bytes, kept)) > max_bytes:
        for index in range(3):
            own = [r for e in kept if isinstance(e, Recorded) and e.index == index for r in e.rows]
            assert last_rows(own) == own


def test_the_oldest_go_first() -> None:
    """Every second one, so that the curve keeps its shape."""
    rows = [{"step": n, "time_s": 0.0, "loss": 1.0} for n in range(40)]
    old, new = Recorded(index=0, rows=rows[:20]), Recorded(index=0, rows=rows[20:])

    (thin, whole), dropped = thinned([old, new], 2 * size_bytes(old) - 100, size_bytes)

    assert [row["step"] for row in thin.rows] == list(range(1, 20, 2))
    assert (whole, dropped) == (new, 10)
