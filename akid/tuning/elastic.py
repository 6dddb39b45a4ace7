"""Elastic: with how many workers a trial starts that takes any number between two.

Such a trial is a gang like any other once it starts: all its workers or none. Its number is what
is free at that moment, so it is said as late as can be: when nothing else is about to start.
"""

import math
from typing import Final, final

from akid.cluster.resources import ClusterCapacity, Node, ResourceRequest

SETTLED_S: Final = 2.0
"""How long Ray takes to tell what was given away or given back."""


GIVEN_BACK_S: Final = 15.0
"""How long a process that ends may hold on to what it was given, on a machine that is busy."""


@final
class Elastic:
    """Says the numbers, one attempt after another; times are those of the caller."""

    def __init__(self) -> None:
        self._changed_s = -math.inf
        self._left: ResourceRequest | None = None

    def hand_out(self, now_s: float) -> None:
        """Note that an attempt was given to Ray, which will take what it needs."""
        self._changed_s = now_s
        self._left = None

    def end(self, need: ResourceRequest, now_s: float, *, is_kept: bool) -> None:
        """Note that an attempt ended.

        Args:
            need: What it was given.
            now_s: The time.
            is_kept: Whether its process may serve the next trial. Tune keeps the first such one
                with all that it has until it is handed another trial.
        """
        self._changed_s = now_s
        if is_kept and self._left is None:
            self._left = need

    def sized(
        self,
        need: ResourceRequest,
        free: ClusterCapacity,
        all_: ClusterCapacity,
        now_s: float,
        *,
        n_running: int,
        n_starting: int,
    ) -> ResourceRequest | None:
        """Return a need with its number of workers; None while that can't be said.

        Args:
            need: A need that takes from `workers` to `most_workers`.
            free: What is free of the machines.
            all_: The machines.
            now_s: The time.
            n_running: How many attempts of this sweep run.
            n_starting: How many were given to Ray and do not run yet.
        """
        one = need.with_workers(1)
        since_s = now_s - self._changed_s
        is_settled, is_warm = since_s >= SETTLED_S, self._left_is_such(need)
        is_idle = not n_running and not n_starting
        room = free.slots(one) if is_settled else 0
        if self._left is not None and (is_settled or is_warm):
            room += _room_in(self._left, one)
        number = min(room, need.most_workers)
        could_be = min(all_.slots(one), need.most_workers)
        if is_idle and not is_warm and number < could_be and since_s < GIVEN_BACK_S:
            return None  # a process that ends holds on to what it has for a while
        if number >= need.workers:
            return need.with_workers(number)
        if not is_settled or not is_idle:
            return None  # what they leave will do
        return need.with_workers(need.workers)  # others hold the rest: it waits as all trials do

    def _left_is_such(self, need: ResourceRequest) -> bool:
        """Whether what is kept is a gang of such workers, which the next trial finds warm."""
        left = self._left
        if left is None or not left.workers:
            return False
        return need.with_workers(left.workers) == left


def _room_in(left: ResourceRequest, one: ResourceRequest) -> int:
    """Return for how many workers there is room in what an attempt has left."""
    node = Node(
        cpus=left.cpus,
        gpus=left.gpus,
        resources=dict(left.demand.resources),
        labels=dict(left.demand.labels),
    )
    return ClusterCapacity(nodes=(node,) * max(1, left.workers)).slots(one)
