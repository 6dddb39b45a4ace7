"""Limits: what an experiment may say about failures, time and waiting; what is wrong with it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from akid.tuning.failure import Failure, RetryPolicy

RETRIED: Final = (Failure.LOST, Failure.MEMORY, Failure.STALLED)
"""The kinds of failure whose retries are the setting `retries`; a bug's are `max_failures`."""

COUNTS: Final = ("max_failures", "abort_after")
TIMES: Final = ("max_seconds", "stall_seconds", "wait_seconds")
LIMITS: Final = (*COUNTS, *TIMES, "retries")
"""The settings about limits."""

_POLICY: Final = RetryPolicy()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How often a trial is tried, how long it may take, and what it waits for.

    None of it changes what a trial is: another limit runs no finished trial again.

    Attributes:
        max_failures: How often a trial is tried again after an error of the user's code.
        retries: How often it is tried again after other failures, by their kind: "lost", "memory"
            and "stalled". What is left out has its default.
        max_seconds: How long a trial may run, over all attempts of a sweep; None for ever.
        stall_seconds: How long a trial may report nothing, and a minute more before its first
            report; then it is restarted from its last checkpoint. None for ever.
        wait_seconds: How long a trial may wait for what no machine of the cluster has any more, or
            for a process that does not come up, which has a minute at least; None for ever.
        abort_after: After so many trials have failed alike and none has finished, the sweep ends; 0
            for never.
    """

    max_failures: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    max_seconds: float | None = None
    stall_seconds: float | None = None
    wait_seconds: float | None = 300.0
    abort_after: int = _POLICY.abort_after

    def policy(self) -> RetryPolicy:
        """Return what the ledger goes by."""
        return RetryPolicy(
            bug=self.max_failures,
            max_seconds=self.max_seconds,
            stall_s=self.stall_seconds,
            wait_s=self.wait_seconds,
            abort_after=self.abort_after,
            **{str(kind): number for kind, number in self.retries.items()},
        )


def limit_faults(given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the limits that are there, one sentence each.

    >>> limit_faults({"max_seconds": 0, "retries": {"lost": 5}})
    ['max_seconds: expected a number of seconds above 0, or None, got max_seconds=0.']
    """
    faults = [
        f"{name}: expected an int of at least 0, got {name}={given[name]!r}."
        for name in COUNTS
        if name in given and not _is_count(given[name])
    ]
    faults += [
        f"{name}: expected a number of seconds above 0, or None, got {name}={given[name]!r}."
        for name in TIMES
        if name in given and not _is_time(given[name])
    ]
    return [*faults, *_retry_faults(given.get("retries", {}))]


def _retry_faults(retries: Any) -> list[str]:
    example = 'for example {"lost": 5, "memory": 1, "stalled": 1}'
    if not isinstance(retries, Mapping):
        return [f"retries: expected a dict, {example}, got retries={retries!r}."]
    faults = []
    for kind, number in retries.items():
        if kind not in RETRIED:
            hint = " Retries after a bug are max_failures." if kind == Failure.BUG else ""
            faults.append(
                f"retries: expected the kinds of failure {', '.join(RETRIED)}, got {kind!r}.{hint}"
            )
        elif not _is_count(number):
            faults.append(
                f"retries: expected an int of at least 0 for {kind!r}, got {number!r}, {example}."
            )
    return faults


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0
