"""Failure: the ways in which a trial can fail, and how often and when each is tried again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from akid.errors import ExperimentError
from akid.tuning.error_text import text_of
from akid.tuning.stall import START_S

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


class Failure(StrEnum):
    """Why an attempt at a trial ended without a result."""

    BUG = "bug"  # the user's code raised an error
    MEMORY = "memory"  # the GPU's or the machine's memory did not suffice
    LOST = "lost"  # the worker or its machine went away
    STALLED = "stalled"  # it reported nothing for too long
    TIMEOUT = "timeout"  # it took longer than it may
    UNPLACED = "unplaced"  # no machine had room for it, or no process came up
    DIVERGED = "diverged"  # its loss became NaN or infinite


_BY_CLASS_NAME: Final = {
    "DivergedError": Failure.DIVERGED,
    "OutOfMemoryError": Failure.MEMORY,
    "MemoryError": Failure.MEMORY,
    "MemoryKilledError": Failure.MEMORY,
    "ActorDiedError": Failure.LOST,
    "ActorUnavailableError": Failure.LOST,
    "NodeDiedError": Failure.LOST,
    "ObjectLostError": Failure.LOST,
    "OwnerDiedError": Failure.LOST,
    "RayActorError": Failure.LOST,
    "StorageError": Failure.LOST,  # its machine does not reach the object store
    "WorkerCrashedError": Failure.LOST,
    "WorkerLostError": Failure.LOST,
}


_NO_MEMORY: Final = re.compile(
    r"CUDA error: out of memory|_STATUS_ALLOC_FAILED|Cuda failure [^\n]*out of memory"
    r"|DefaultCPUAllocator: can't allocate memory"
)
"""What CUDA and its libraries say, and torch on a CPU: only the allocator of a GPU's memory has a
class for it (`torch.OutOfMemoryError`)."""


RESUMED: Final = frozenset(Failure) - {Failure.BUG, Failure.DIVERGED}
"""The kinds after which a trial goes on from its last checkpoint: no error of its program's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often a trial is tried again after each kind of failure, when, and what it may take.

    A trial that diverged or took too long is not tried again by the same sweep.

    Attributes:
        bug: Retries after an error of the user's code.
        memory: Retries after a lack of memory; such a retry has a GPU or a machine for itself.
        lost: Retries after the loss of a worker or a machine, which is no fault of the trial.
        stalled: Retries after a stall.
        first_pause_s: The pause before the first retry of a trial; it doubles with each.
        longest_pause_s: The longest pause.
        max_seconds: How long a trial may run, over all attempts of a sweep; None for ever.
        stall_s: How long a trial may report nothing; None for ever.
        start_s: How much longer it may take to its first report.
        wait_s: How long a trial may wait for what no machine has any more, or for a process that
            does not come up; None for ever.
        stop_limit_s: How long a trial may take to end when it is told to, before force, and after.
        abort_after: After so many trials have failed alike and none has finished, the sweep ends;
            0 for never.

    Raises:
        ExperimentError: If a number is negative, or a time is not positive; all faults at once.

    >>> [RetryPolicy(first_pause_s=1, longest_pause_s=5).pause_s(retry) for retry in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """

    bug: int = 0
    memory: int = 1
    lost: int = 3
    stalled: int = 1
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    max_seconds: float | None = None
    stall_s: float | None = None
    start_s: float = START_S
    wait_s: float | None = 300.0
    stop_limit_s: float = 15.0
    abort_after: int = 3

    def __post_init__(self) -> None:
        counts = ("bug", "memory", "lost", "stalled", "abort_after")
        times = ("first_pause_s", "longest_pause_s", "max_seconds", "stall_s", "wait_s")
        faults = [
            f"RetryPolicy: expected {name} of at least 0, got {name}={getattr(self, name)!r}."
            for name in counts
            if getattr(self, name) < 0
        ]
        faults += [
            f"RetryPolicy: expected {name} above 0 seconds, got {name}={getattr(self, name)!r}."
            for name in (*times, "start_s", "stop_limit_s")
            if getattr(self, name) is not None and not getattr(self, name) > 0
        ]
        if faults:
            raise ExperimentError("\n".join(faults))

    def retries(self, failure: Failure) -> int:
        """Return how often a trial is tried again after failures of this kind."""
        return {
            Failure.BUG: self.bug,
            Failure.MEMORY: self.memory,
            Failure.LOST: self.lost,
            Failure.STALLED: self.stalled,
        }.get(failure, 0)

    def pause_s(self, retry: int) -> float:
        """Return the pause before a trial's retry, the first being number 0."""
        doublings = min(retry, 60)
        return float(min(self.longest_pause_s, self.first_pause_s * 2**doublings))


def classify(error: BaseException | None) -> Failure:
    """Return the kind of failure that an error is, or else the first of its causes that says.

    >>> classify(MemoryError()), classify(KeyError("lr"))
    (<Failure.MEMORY: 'memory'>, <Failure.BUG: 'bug'>)
    """
    found = (_own_kind(each) for each in _with_causes(error))
    return next((kind for kind in found if kind is not None), Failure.BUG)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        cause = getattr(error, "cause", None)  # of Ray's; a user's may be of any kind
        is_one = isinstance(cause, BaseException)
        error = cause if is_one else error.__cause__ or error.__context__


def _own_kind(error: BaseException) -> Failure | None:
    names = (base.__name__ for base in type(error).__mro__)
    by_class = next((_BY_CLASS_NAME[name] for name in names if name in _BY_CLASS_NAME), None)
    if by_class is None and isinstance(error, RuntimeError) and _NO_MEMORY.search(text_of(error)):
        return Failure.MEMORY
    return by_class


def likeness(error_text: str) -> str:
    r"""Return what two errors have in common when they are the same fault.

    It is the last line of the traceback, without numbers and addresses.

    >>> likeness("Traceback ...\nValueError: expected 3 at 0x7f12") == likeness(
    ...     "ValueError: expected 4 at 0x8e00")
    True
    """
    lines = [line.strip() for line in error_text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return _NUMBER.sub("0", _ADDRESS.sub("0", last))
