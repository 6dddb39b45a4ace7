"""Tracking events: what happens to the runs of one sweep, as values that can be kept as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from akid.tuning.tracking import WHEN, Metrics, TrialEnd, TrialStart


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A trial began: a run is opened for it."""

    start: TrialStart

    @property
    def index(self) -> int:
        """The trial."""
        return self.start.index


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A trial recorded rows."""

    index: int
    rows: Sequence[Metrics]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagged:
    """Something is said in words of a trial's run, or of the sweep's own (index None)."""

    index: int | None
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Artifacts are left behind, by a trial or by the sweep itself (index None)."""

    index: int | None
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A trial ended."""

    index: int
    end: TrialEnd


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepEnded:
    """The sweep ended."""

    status: str
    summary: Metrics
    ended_s: float

    @property
    def index(self) -> None:
        """No trial's, but the sweep's."""


Event = Started | Recorded | Tagged | Left | Ended | SweepEnded

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Recorded, Tagged, Left, Ended, SweepEnded)
}


def encode(event: Event) -> dict[str, Any]:
    """Return an event as JSON has it; NaN and infinities stay what Python's `json` makes of them.

    >>> encode(Recorded(index=3, rows=[{"step": 1, "time_s": 2.0, "loss": 0.5}]))
    {'kind': 'Recorded', 'index': 3, 'rows': [{'step': 1, 'time_s': 2.0, 'loss': 0.5}]}
    """
    return {"kind": type(event).__name__, **asdict(event)}


def decode(fields: Mapping[str, Any]) -> Event:
    """Return the event of which `encode` gave these fields.

    Raises:
        KeyError, TypeError, ValueError: If they are no event's.
    """
    given = dict(fields)
    kind = _KINDS[given.pop("kind")]
    if kind is Started:
        return Started(start=TrialStart(**given["start"]))
    if kind is Ended:
        return Ended(index=given["index"], end=TrialEnd(**given["end"]))
    return kind(**given)


def joined(events: Iterable[Event]) -> list[Event]:
    """Join neighbouring events of one trial where one does; the order within a trial stays.

    Rows become one event, and what is said of a run in words is said when it is opened.

    >>> rows = [Recorded(index=n % 2, rows=[{"step": n, "time_s": 0.0}]) for n in range(4)]
    >>> [[row["step"] for row in event.rows] for event in joined(rows)]
    [[0, 2], [1, 3]]
    """
    found: list[Event] = []
    last: dict[int | None, int] = {}
    for event in events:
        place = last.get(event.index)
        one = None if place is None else _as_one(found[place], event)
        if place is None or one is None:
            last[event.index] = len(found)
            found.append(event)
        else:
            found[place] = one
    return found


def _as_one(event: Event, next_: Event) -> Event | None:
    """Return the event that says what two say, the one after the other; None if there is none."""
    match event, next_:
        case Recorded(), Recorded():
            return replace(event, rows=[*event.rows, *next_.rows])
        case Tagged(), Tagged():
            return replace(event, tags={**event.tags, **next_.tags})
        case Started(start=start), Tagged(tags=tags):
            return Started(start=replace(start, tags={**start.tags, **tags}))
        case _:
            return None


def is_artifact(event: Event) -> bool:
    """Whether an event is about artifacts, which a store keeps in another place than runs."""
    return isinstance(event, Left)


def metric_names(row: Metrics) -> set[str]:
    """Return the names of the metrics in a row."""
    return set(row) - WHEN
