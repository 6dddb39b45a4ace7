"""Progress: what one sees while a sweep runs, live on a terminal and as plain lines elsewhere."""

import math
import statistics
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TextIO, final

from akid.tuning.results import KILLED, SUCCEEDED

if TYPE_CHECKING:
    from rich.console import RenderableType

_LINE_INTERVAL_S: Final = 10.0
_MAX_SHOWN_TRIALS: Final = 16


@dataclass(kw_only=True)
class SweepState:
    """Which trials wait, run and are done, and what the running ones said last.

    Attributes:
        waiting: Trials that have not begun.
        running: The start of each running trial, in seconds of `time.monotonic`, by label.
        finished: Trials that finished in this sweep.
        interrupted: Trials that the sweep's end has broken off.
        failed: Trials that ended otherwise.
        known: Trials that an earlier sweep had finished.
        rows: The last row of each running trial, by label.
        durations_s: How long the trials took that have ended.
        waits_for: What is waited for when nothing begins; empty otherwise.
    """

    waiting: int
    known: int = 0
    finished: int = 0
    interrupted: int = 0
    failed: int = 0
    running: dict[str, float] = field(default_factory=dict)
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    durations_s: list[float] = field(default_factory=list)
    waits_for: str = ""

    @property
    def total(self) -> int:
        """All trials of the sweep, the known ones too."""
        ended = self.finished + self.interrupted + self.failed
        return self.known + self.waiting + len(self.running) + ended

    def start(self, label: str, now_s: float) -> None:
        """Note that a waiting trial runs now."""
        self.waiting -= 1
        self.running[label] = now_s

    def hear(self, label: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Note what a running trial reported."""
        for row in rows:
            self.rows.setdefault(label, {}).update(row)

    def end(self, label: str, now_s: float, *, status: str) -> None:
        """Note that a running trial has ended."""
        self.durations_s.append(now_s - self.running.pop(label))
        self.rows.pop(label, None)
        if status in SUCCEEDED:
            self.finished += 1
        elif status == KILLED:
            self.interrupted += 1
        else:
            self.failed += 1

    def seconds_left(self, now_s: float) -> float | None:
        """Return the expected rest of the sweep in seconds; None before a trial has ended."""
        if not self.durations_s:
            return None
        usual_s = statistics.median(self.durations_s)  # the first trials also load torch
        rest_s = sum(max(0.0, usual_s - (now_s - began_s)) for began_s in self.running.values())
        return (rest_s + usual_s * self.waiting) / max(1, len(self.running))

    def line(self, now_s: float, metric: str | None) -> str:
        """Return the state as one line.

        >>> SweepState(waiting=2, known=1).line(0.0, None)
        '1/3 done (1 known), 0 running, 2 waiting, 0 failed'
        """
        done = self.known + self.finished
        known = f" ({self.known} known)" if self.known else ""
        head = f"{done}/{self.total} done{known}, {len(self.running)} running"
        interrupted = f", {self.interrupted} interrupted" if self.interrupted else ""
        parts = [f"{head}, {self.waiting} waiting{interrupted}, {self.failed} failed"]
        parts += [f"{label}: {_shown(row, metric)}" for label, row in list(self.rows.items())[:2]]
        if self.waits_for:
            parts.append(self.waits_for)
        left_s = self.seconds_left(now_s)
        if left_s and (self.running or self.waiting):  # 0 is a trial that takes longer than usual
            parts.append(f"about {math.ceil(left_s)} s left")
        return " | ".join(parts)


class Progress(ABC):
    """Shows a sweep's state as it changes."""

    def __init__(self, state: SweepState, *, metric: str | None) -> None:
        self._state = state
        self._metric = metric

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, label: str) -> None:
        """Say that a trial has begun."""
        self._state.start(label, time.monotonic())
        self._changed()

    def hear(self, label: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Say what a trial has reported."""
        self._state.hear(label, rows)
        self._changed()

    def wait(self, what: str) -> None:
        """Say what is waited for; empty when that is over."""
        self._state.waits_for = what
        if what:
            self.say(what)

    def end(self, label: str, *, status: str, summary: str) -> None:
        """Say how a trial has ended."""
        self._state.end(label, time.monotonic(), status=status)
        self._ended(label, summary)

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line that stays."""

    @abstractmethod
    def close(self) -> None:
        """Stop showing; the last state stays on the screen."""

    @abstractmethod
    def _changed(self) -> None: ...

    @abstractmethod
    def _ended(self, label: str, summary: str) -> None: ...


@final
class PlainProgress(Progress):
    """A line when a trial ends, and otherwise at most every ten seconds."""

    def __init__(self, state: SweepState, *, metric: str | None, stream: TextIO) -> None:
        super().__init__(state, metric=metric)
        self._stream = stream
        self._written_s = time.monotonic()

    def say(self, text: str) -> None:
        self._write(text)

    def close(self) -> None:
        self._stream.flush()

    def _changed(self) -> None:
        if time.monotonic() - self._written_s >= _LINE_INTERVAL_S:
            self._write(self._state.line(time.monotonic(), self._metric))

    def _ended(self, label: str, summary: str) -> None:
        self._write(f"{label}: {summary} | {self._state.line(time.monotonic(), self._metric)}")

    def _write(self, line: str) -> None:
        self._written_s = time.monotonic()
        self._stream.write(line + "\n")
        self._stream.flush()


@final
class LiveProgress(Progress):
    """A picture drawn anew a few times a second: a line, and a row for each running trial."""

    def __init__(self, state: SweepState, *, metric: str | None, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(state, metric=metric)
        self._live = Live(
            get_renderable=self._picture,
            console=Console(file=stream),
            refresh_per_second=4,
            transient=False,
        )
        self._live.start()

    def say(self, text: str) -> None:
        from rich.text import Text

        self._live.console.print(Text(text))

    def close(self) -> None:
        self._live.stop()

    def _changed(self) -> None:
        """Do nothing: the picture is drawn from the state on each refresh."""

    def _ended(self, label: str, summary: str) -> None:
        self.say(f"{label}: {summary}")

    def _picture(self) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now_s = time.monotonic()
        table = Table(box=None, show_header=False, pad_edge=False)
        for label, began_s in list(self._state.running.items())[:_MAX_SHOWN_TRIALS]:
            shown = _shown(self._state.rows.get(label, {}), self._metric)
            table.add_row(Text(label), f"{now_s - began_s:.0f} s", Text(shown))
        return Group(Text(self._state.line(now_s, self._metric), style="bold"), table)


def open_progress(
    state: SweepState, *, metric: str | None, stream: TextIO | None = None
) -> Progress:
    """Return the progress that fits the stream (standard error unless told otherwise)."""
    stream = sys.stderr if stream is None else stream
    kind = LiveProgress if stream.isatty() else PlainProgress
    return kind(state, metric=metric, stream=stream)


def _shown(row: Mapping[str, float], metric: str | None) -> str:
    names = [n for n in ("epoch", metric or "val_accuracy", "val_loss", "train_loss") if n in row]
    return " ".join(
        f"{name} {row[name]:g}" if name == "epoch" else f"{name} {row[name]:.4g}"
        for name in names[:2]
    )
