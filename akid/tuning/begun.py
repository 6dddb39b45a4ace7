"""Begun: the trials that begin, on disk before their runs are opened.

The tracking writer opens runs in its own time, so a driver that is killed may leave trials behind,
even finished ones, of which the store knows nothing. Their starts are found in a spool beside that
of what the store did not take, and are sent like it by whoever comes next.
"""

import threading
from typing import Final, final

from akid.tuning.spool import Spool
from akid.tuning.tracking_events import Started

_MAX_BYTES: Final = 2**20  # then it is written anew, without the starts that are told


@final
class Begun:
    """The starts that are neither in the store nor in the sweep's spool yet.

    The driver's thread adds them, that of the tracking writer takes them out.

    Args:
        beside: The sweep's spool.
    """

    def __init__(self, beside: Spool) -> None:
        file = beside.file.with_suffix(f".begun{beside.file.suffix}")
        self._spool = Spool(file, beside.head, max_bytes=_MAX_BYTES)
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, start: Started) -> None:
        """Keep a start; it is with the operating system when this returns, if the disk has room."""
        with self._lock:
            self._numbers[start.index] = self._spool.add(start)

    def remove(self, start: Started) -> None:
        """Note that a start is in the store, or in the sweep's spool."""
        with self._lock:
            self._spool.remove(self._numbers.pop(start.index))

    def close(self) -> None:
        """Let go of the file; it stays where starts are left."""
        with self._lock:
            self._spool.close()
