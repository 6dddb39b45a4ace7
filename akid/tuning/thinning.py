"""Thinning: fewer rows of metrics, so that what waits for the store keeps within its bounds.

What has no later value is never dropped: each trial keeps the last value of each of its metrics.
Events that are not rows stay as they are.
"""

from collections.abc import Callable, Sequence

from akid.tuning.tracking import Metrics
from akid.tuning.tracking_events import Event, Recorded, metric_names


def last_rows(rows: Sequence[Metrics]) -> list[Metrics]:
    """Return the rows that hold the last value of some metric.

    >>> last_rows([{"step": 1, "a": 1.0}, {"step": 2, "a": 1.0, "b": 2.0}, {"step": 3, "b": 4.0}])
    [{'step': 2, 'a': 1.0, 'b': 2.0}, {'step': 3, 'b': 4.0}]
    """
    flags = _are_last([Recorded(index=0, rows=rows)])[0]
    return [row for row, is_last in zip(rows, flags, strict=True) if is_last]


def thinned(
    events: Sequence[Event], max_bytes: int, size_bytes: Callable[[Event], int]
) -> tuple[list[Event], int]:
    """Drop rows until the events fit, every second of the oldest first.

    Args:
        events: The events, oldest first.
        max_bytes: What they may take.
        size_bytes: What an event takes.

    Returns:
        The events, which may still take more where there is nothing left to drop, and the number
        of rows that were dropped. An event whose rows are all dropped keeps its place, empty.
    """
    kept = list(events)
    flags = _are_last(kept)
    excess_bytes = sum(size_bytes(event) for event in kept) - max_bytes
    dropped, dropped_before = 0, -1
    while excess_bytes > 0 and dropped != dropped_before:
        dropped_before = dropped
        for place, event in enumerate(kept):
            if not isinstance(event, Recorded) or excess_bytes <= 0:
                continue
            thinner, flags[place] = _halved(event, flags[place])
            dropped += len(event.rows) - len(thinner.rows)
            excess_bytes -= size_bytes(event) - size_bytes(thinner)
            kept[place] = thinner
    return kept, dropped


def _halved(event: Recorded, are_last: Sequence[bool]) -> tuple[Recorded, list[bool]]:
    """Drop the first, third, ... of the rows that may go."""
    rows: list[Metrics] = []
    flags: list[bool] = []
    goes = True
    for row, is_last in zip(event.rows, are_last, strict=True):
        if is_last or not goes:
            rows.append(row)
            flags.append(is_last)
        if not is_last:
            goes = not goes
    return Recorded(index=event.index, rows=rows), flags


def _are_last(events: Sequence[Event]) -> list[list[bool]]:
    """Tell for each row of each event whether it holds its trial's last value of some metric."""
    seen: dict[int, set[str]] = {}
    flags: list[list[bool]] = []
    for event in reversed(events):
        if not isinstance(event, Recorded):
            flags.append([])
            continue
        known = seen.setdefault(event.index, set())
        of_event = []
        for row in reversed(event.rows):
            of_event.append(bool(metric_names(row) - known))
            known |= metric_names(row)
        flags.append(of_event[::-1])
    return flags[::-1]
