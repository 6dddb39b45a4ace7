"""Board: a sweep as the Ray dashboard shows it.

An actor that practises serves many trials, so its own name says little. The sweep therefore has an
actor of its own, on which each trial is a task that bears the trial's label, from its start to its
end: running, finished, or failed with the trial's error.
(Ray documentation, "Ray Dashboard" and "Adding Application-Level Metrics".)
"""

import asyncio
from collections import Counter
from typing import Any, Final, Self, final

import ray
from ray.util.metrics import Gauge

from akid.tuning.results import FINISHED

_MOST_AT_ONCE: Final = 10_000
_ERROR_CHARS: Final = 2000
_LIMIT_S: Final = 5.0


class TrialFailed(Exception):  # noqa: N818 (what the dashboard shows)
    """A trial's task ends by this when the trial did not finish."""


class _Sweep:
    """The actor: it does nothing but wait for the trials' ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ends: dict[tuple[int, int], asyncio.Event] = {}
        self._errors: dict[tuple[int, int], str] = {}

    async def trial(self, index: int, attempt: int) -> None:
        key = index, attempt
        await self._ends.setdefault(key, asyncio.Event()).wait()
        del self._ends[key]
        error = self._errors.pop(key)
        if error:
            raise TrialFailed(error)

    async def end(self, index: int, attempt: int, error: str) -> None:
        self._errors[index, attempt] = error
        self._ends.setdefault((index, attempt), asyncio.Event()).set()

    def __repr__(self) -> str:
        return f"akid sweep {self._name}"


@final
class Board:
    """Shows a sweep's trials in the dashboard, inside of a `with` block.

    It is told without waiting for an answer; a board that is lost disturbs no trial. Only at its
    own end it waits, for at most five seconds, or trials that have just ended would be shown as
    what the end of their actor makes of them: failed.

    Args:
        name: The sweep's name.
        waiting: How many trials wait.
    """

    def __init__(self, name: str, *, waiting: int) -> None:
        self._name = name
        self._attempts: Counter[int] = Counter()
        self._running: dict[int, ray.ObjectRef] = {}
        self._ending: list[ray.ObjectRef] = []
        self._states: Counter[str] = Counter(waiting=waiting)

    def __enter__(self) -> Self:
        self._gauge = Gauge(
            "akid_trials", description="Trials of a sweep", tag_keys=("sweep", "state")
        )
        sweep = ray.remote(num_cpus=0, max_concurrency=_MOST_AT_ONCE, max_restarts=0)(_Sweep)
        self._actor: Any = sweep.remote(self._name)
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_ended(limit_s=_LIMIT_S)
        ray.kill(self._actor)

    def begin(self, index: int, label: str) -> None:
        """Show that a trial runs, or runs again."""
        self._attempts[index] += 1
        attempt = self._attempts[index]
        name = label if attempt == 1 else f"{label} (attempt {attempt})"
        task = self._actor.trial.options(name=name)
        self._running[index] = task.remote(index, attempt)
        self._move("waiting", "running")

    def retry(self, index: int, reason: str) -> None:
        """Show that an attempt failed, if one ran, and that the trial will run again."""
        self._move(self._leave(index, reason), "waiting")

    def end(self, index: int, status: str, error: str) -> None:
        """Show how a trial ended."""
        before = self._leave(index, "" if status == FINISHED else f"{status}: {error}")
        self._move(before, status.lower())

    def _leave(self, index: int, error: str) -> str:
        """End a trial's task, if it has one, and return in which state the trial was."""
        if index not in self._running:
            return "waiting"
        quiet = self._actor.end.options(enable_task_events=False)
        quiet.remote(index, self._attempts[index], error[-_ERROR_CHARS:])
        self._ending.append(self._running.pop(index))
        self._forget_ended(limit_s=0.0)
        return "running"

    def _forget_ended(self, *, limit_s: float) -> None:
        if self._ending:
            n = len(self._ending)
            _, self._ending = ray.wait(self._ending, num_returns=n, timeout=limit_s)

    def _move(self, before: str, after: str) -> None:
        self._states[before] -= 1
        self._states[after] += 1
        self._show()

    def _show(self) -> None:
        for state, n in self._states.items():
            self._gauge.set(max(0, n), tags={"sweep": self._name, "state": state})
