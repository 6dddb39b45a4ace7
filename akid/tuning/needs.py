"""Needs: what each trial needs of a cluster, and what it needs when that did not suffice."""

from collections.abc import Sequence
from dataclasses import replace

from akid.cluster.resources import ClusterCapacity, ResourceRequest
from akid.tuning.trial import Trial


class Needs:
    """What each trial needs: a whole GPU or machine where memory did not suffice.

    Args:
        trials: The trials.
        capacity: What the cluster has.
        together: Whether the workers of a gang have to lie on one machine.
    """

    def __init__(
        self, trials: Sequence[Trial], capacity: ClusterCapacity, *, together: bool = False
    ) -> None:
        self._trials = trials
        self._capacity = capacity
        self._together = together

    def of(self, index: int, *, alone: bool) -> ResourceRequest:
        """Return what an attempt at a trial needs."""
        request = replace(self._trials[index].request, together=self._together)
        return self._capacity.alone(request) if alone else request
