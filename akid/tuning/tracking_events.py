"""Tracking events: what happens to the runs of one sweep, as values that can be kept as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    """Something is said of a trial's run in words."""

    index: int
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
    """Join neighbouring rows of one trial into one event; the order within a trial stays.

    >>> rows = [Recorded(index=n % 2, rows=[{"step": n, "time_s": 0.0}]) for n in range(4)]
    >>> [[row["step"] for row in event.rows] for event in joined(rows)]
    [[0, 2], [1, 3]]
    """
    found: list[Event] = []
    open_rows: dict[int | None, int] = {}
    for event in events:
        if not isinstance(event, Recorded):
            found.append(event)
            open_rows.pop(event.index, None)
            continue
        place = open_rows.setdefault(event.index, len(found))
        if place == len(found):
            found.append(event)
            continue
        earlier = found[place]
        assert isinstance(earlier, Recorded)
        found[place] = Recorded(index=event.index, rows=[*earlier.rows, *event.rows])
    return found


def is_artifact(event: Event) -> bool:
    """Whether an event is about artifacts, which a store keeps in another place than runs."""
    return isinstance(event, Left)


def metric_names(row: Metrics) -> set[str]:
    """Return the names of the metrics in a row."""
    return set(row) - WHEN
