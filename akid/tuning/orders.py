"""Orders: how the driver tells an attempt to come to its end, a file each.

The files lie in the sweep's folder, which all machines see. An attempt looks for its own between
two batches, so it needs no connection, no thread and no port. Where there is no such folder, an
actor takes its place (`ray_orders.py`).
"""

import os
import time
from pathlib import Path
from typing import Final, Protocol, final

FOLDER: Final = "orders"
_LOOK_INTERVAL_S: Final = 0.25


class Orders(Protocol):
    """The attempts that are told to end."""

    def give(self, index: int, attempt: int) -> None:
        """Tell an attempt to end."""

    def has(self, index: int, attempt: int) -> bool:
        """Whether an attempt is told to end."""


@final
class StopOrders:
    """The attempts that are told to end, as files.

    Args:
        folder: Where the orders lie; it is made with the first of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def give(self, index: int, attempt: int) -> None:
        """Tell an attempt to end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _name(index, attempt)).touch()

    def has(self, index: int, attempt: int) -> bool:
        """Whether an attempt is told to end."""
        try:
            # The folder is listed, because network file systems remember that a file is not there.
            return _name(index, attempt) in os.listdir(self._folder)  # noqa: PTH208
        except FileNotFoundError:
            return False


@final
class Summons:
    """The order for one attempt, looked for at most four times a second.

    Args:
        orders: All orders.
        index: The trial.
        attempt: The attempt.
    """

    def __init__(self, orders: Orders, index: int, attempt: int) -> None:
        self._orders = orders
        self._place = index, attempt
        self._due_s = time.monotonic() + _LOOK_INTERVAL_S

    def __call__(self) -> bool:
        """Whether the attempt is told to end."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + _LOOK_INTERVAL_S
        return self._orders.has(*self._place)


def _name(index: int, attempt: int) -> str:
    return f"{index}-{attempt}"
