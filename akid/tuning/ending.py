"""Ending: the signals that ask a sweep to end.

SIGINT   Ctrl-C: once gracefully, twice at once
SIGTERM  a machine that is taken away: like one Ctrl-C, and after a time like two
SIGHUP   the terminal was closed: like SIGTERM; nothing is written to it any more
"""

import errno
import os
import signal
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Self, final

GRACE_S: Final = 20.0
"""How long a sweep that is ended by SIGTERM or SIGHUP lets its trials write checkpoints."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST_COUNTED: Final = 2  # the third signal ends the program wherever it is


class EndRequested(KeyboardInterrupt):
    """A signal asked for the end while nothing was under way that has to be ended first.

    Args:
        signum: The signal's number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@final
class Ending:
    """Hears the signals for the time of its `with` block; only a program's main thread can.

    Outside of `counted`, a signal raises `EndRequested`.

    Attributes:
        signum: The first signal that came, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._times = 0
        self._first_s = 0.0
        self._is_counting = False
        self._kept: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._kept = {signum: signal.signal(signum, self._hear) for signum in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._kept.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the signals, rather than to raise; the third raises all the same.

        Yields:
            None.
        """
        kept, self._is_counting = self._is_counting, True
        try:
            yield
        finally:
            self._is_counting = kept

    def announcement(self) -> str:
        """Return what the user is told when a signal has come."""
        rest = "Ctrl-C again ends them at once"
        if self.signum not in (None, signal.SIGINT):
            rest = f"after {GRACE_S:g} s they are ended at once"
        return f"the sweep ends: running trials write a checkpoint; {rest}"

    def wishes(self) -> int:
        """Return how often the end was asked for; 2 is at once."""
        if self.signum in (None, signal.SIGINT):
            return min(self._times, _MOST_COUNTED)
        is_late = time.monotonic() - self._first_s >= GRACE_S
        return _MOST_COUNTED if is_late or self._times >= _MOST_COUNTED else self._times

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self.signum is None:
            self.signum, self._first_s = signum, time.monotonic()
        self._times += 1
        if signum == signal.SIGHUP:
            _leave_closed_terminals()
        if not self._is_counting or self._times > _MOST_COUNTED:
            raise EndRequested(self.signum)


def _leave_closed_terminals() -> None:
    """Let what is written to a terminal that is no more go nowhere: it would be an error."""
    for stream in (1, 2):
        try:
            termios.tcgetattr(stream)
        except termios.error as error:
            if error.args[0] == errno.EIO:  # a file or a pipe is ENOTTY
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)
