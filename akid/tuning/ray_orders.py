"""Ray orders: how the driver tells an attempt to end where no folder is seen by both: an actor."""

import logging
from typing import Any, Final, Self, final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

logger = logging.getLogger(__name__)

_LIMIT_S: Final = 5.0


class _Board:
    """The actor: it remembers who is told to end."""

    def __init__(self) -> None:
        self._given: set[tuple[int, int]] = set()

    def give(self, index: int, attempt: int) -> None:
        self._given.add((index, attempt))

    def has(self, index: int, attempt: int) -> bool:
        return (index, attempt) in self._given


@final
class RayOrders:
    """The attempts that are told to end, as `akid.tuning.orders.StopOrders`, in a `with` block.

    They lie in an actor beside the driver: it lives as long as the driver's machine.
    """

    def __init__(self) -> None:
        self._actor: Any = None
        self._has_told = False

    def __enter__(self) -> Self:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(num_cpus=0, max_restarts=-1)(_Board)
        self._actor = board.options(scheduling_strategy=here).remote()
        return self

    def __exit__(self, *_: object) -> None:
        ray.kill(self._actor)

    def give(self, index: int, attempt: int) -> None:
        """Tell an attempt to end."""
        self._actor.give.remote(index, attempt)

    def has(self, index: int, attempt: int) -> bool:
        """Whether an attempt is told to end, as far as that can be known now."""
        try:
            return bool(ray.get(self._actor.has.remote(index, attempt), timeout=_LIMIT_S))
        except (GetTimeoutError, RayError) as error:
            if not self._has_told:
                logger.warning("can't ask whether the sweep ends: %s", error)
                self._has_told = True
            return False
