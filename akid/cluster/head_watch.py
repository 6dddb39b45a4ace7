"""Head watch: a private cluster whose head process has died ends the sweep, instead of hanging it.

Ray itself waits for a lost head: a quarter of a minute for the node's process, a minute for the
cluster's; after that it ends the program without a word to the program.
"""

import _thread
import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, final

logger = logging.getLogger(__name__)

HEAD: Final = frozenset({"gcs_server", "raylet"})
"""The processes without which a cluster can't go on, as Ray calls them."""

_LOOK_S: Final = 0.5
_INTERRUPTS: Final = 3
_INSIST_S: Final = 1.0


@final
class HeadWatch:
    """Interrupts the main thread, as Ctrl-C does, when a process of the cluster's head has died.

    Args:
        dead: Returns the names of the cluster's processes that have died.
    """

    def __init__(self, dead: Callable[[], Sequence[str]]) -> None:
        self._dead = dead
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="akid head watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._has_ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._has_ended.wait(_LOOK_S):
            died = sorted(HEAD & set(self._dead()))
            if died:
                logger.error(
                    "Ray's %s on this machine has died (killed, or out of memory), so nothing more"
                    " can be trained. Give the same command again: finished trials stay, the others"
                    " go on from their last checkpoint.",
                    " and ".join(died),
                )
                self._insist()
                return

    def _insist(self) -> None:
        """Interrupt until the program leaves the cluster: a sweep takes the first for a wish."""
        for _ in range(_INTERRUPTS):
            _thread.interrupt_main()
            if self._has_ended.wait(_INSIST_S):
                return
