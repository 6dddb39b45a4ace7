"""Messages: what the ledger of a sweep hears (events), and what it answers (instructions).

An attempt is one start of a trial; attempts count from 1. A message of an attempt that is over is
late, and is ignored.
"""

from dataclasses import dataclass
from typing import Literal

from akid.tuning.failure import Failure

Why = Literal["interrupt", "abort", "stalled", "timeout", "behind"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoodStill:
    """Nobody listened for a while: what attempts said meanwhile is heard from now on.

    Attributes:
        duration_s: For how long, in seconds, up to the time of this event.
    """

    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Interrupted:
    """The sweep is to end: the first time gracefully, the second time at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """An attempt has its resources and runs."""

    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """An attempt gave a sign of life."""

    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """An attempt practised to the end."""

    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """An attempt ended by a failure.

    Attributes:
        index: The trial.
        attempt: The attempt.
        failure: Its kind.
        error: The traceback, or what is known instead.
    """

    index: int
    attempt: int
    failure: Failure
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FellBehind:
    """An attempt is so much worse than others that the trial is not worth to go on."""

    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """An attempt ended because it was told to."""

    index: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointless:
    """The sweep is to end early: no trial can give what is asked for.

    Attributes:
        reason: Why, for the user.
    """

    reason: str


Event = (
    Tick
    | StoodStill
    | Interrupted
    | Pointless
    | Started
    | Reported
    | Finished
    | Failed
    | FellBehind
    | Stopped
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Run a trial; its outcome is `Finished`, `Failed` or `Stopped`.

    Attributes:
        index: The trial.
        attempt: The attempt, from 1.
        resume: Whether it goes on from its last checkpoint, if there is one.
        alone: Whether it needs a GPU, or a machine, for itself, because memory did not suffice.
    """

    index: int
    attempt: int
    resume: bool = False
    alone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """End an attempt; its outcome is the attempt's last event, or nothing in time.

    Attributes:
        index: The trial.
        attempt: The attempt.
        why: The reason; a stalled trial's stack is worth a look.
        at_once: Whether to use force, rather than to let it write a checkpoint.
    """

    index: int
    attempt: int
    why: Why
    at_once: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Close:
    """Record how a trial ended, for good; every trial is closed once.

    Attributes:
        index: The trial.
        status: One of `akid.tuning.results.STATUSES`.
        reason: Why, in a few words.
        error: The last traceback, or empty.
        failure: The kind of the last failure, where the status is FAILED.
    """

    index: int
    status: str
    reason: str
    error: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Abort:
    """Tell the user that the sweep ends early."""

    reason: str


Instruction = Start | Stop | Close | Abort
