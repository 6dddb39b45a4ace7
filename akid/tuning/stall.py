"""Stall: a trial that records nothing for too long writes down where each of its threads stands."""

import faulthandler
from pathlib import Path
from typing import Final, Self, final

from akid.training.patient_file import open_log

START_S: Final = 60.0
"""So much longer a trial may take to its first report: its process loads torch, the trial data."""

DRIVER_WAITS_S: Final = 2.0
"""The driver restarts a stalled trial so much later than the stacks are written."""


@final
class StackWatch:
    """Appends the stacks of all threads to a file when nothing is recorded for too long.

    They are written by a thread that needs neither Python's lock nor the trial's help, so also when
    the trial stands in native code, whether that lets other threads run or not.

    Args:
        file: Where the stacks go.
        limit_s: How long nothing may be recorded; None for ever.
        start_s: How much longer it may take to the first record.
    """

    def __init__(self, file: Path, limit_s: float | None, *, start_s: float = START_S) -> None:
        self._file = file
        self._start_s = start_s
        self._limit_s = limit_s

    def __enter__(self) -> Self:
        if self._limit_s is not None:
            self._stream = open_log(self._file)
            self._wait(self._limit_s + self._start_s)
        return self

    def __exit__(self, *_: object) -> None:
        if self._limit_s is not None:
            faulthandler.cancel_dump_traceback_later()
            self._stream.close()

    def heard(self) -> None:
        """Begin to wait anew: something was recorded."""
        if self._limit_s is not None:
            self._wait(self._limit_s)

    def _wait(self, limit_s: float) -> None:
        faulthandler.dump_traceback_later(limit_s, file=self._stream)
