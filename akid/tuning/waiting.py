"""Waiting: what trials wait for that do not begin, and when they are given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from akid.cluster.resources import ClusterCapacity, ResourceRequest

LOOK_INTERVAL_S: Final = 2.0
_PATIENCE_S: Final = 4.0
_STARTING_S: Final = 30.0  # a process takes a moment to come up
_LEAST_STARTING_S: Final = 60.0  # and on a busy machine more: it loads torch


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What there is at one moment.

    Attributes:
        needs: What the trials need that have not begun, one entry for each need.
        all_: The cluster's machines.
        free: The same machines with what is free of them.
        n_running: How many trials of this sweep run.
        n_starting: How many processes of this sweep have their resources and are not up yet.
    """

    needs: Sequence[ResourceRequest]
    all_: ClusterCapacity
    free: ClusterCapacity
    n_running: int
    n_starting: int


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """A need that has been waited for too long.

    Attributes:
        need: What was needed; None for every trial that has not begun.
        error: Why it is given up.
    """

    need: ResourceRequest | None
    error: str


@final
class Waiting:
    """Judges one scene after another.

    Trials that wait for others of their sweep wait in silence. What is possible is waited for
    without end, but not in silence; what no machine has any more is waited for only so long, and a
    process that does not come up, too, though for a minute at least.

    Args:
        limit_s: How long; None for ever.
    """

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._lacking_since_s: dict[ResourceRequest, float] = {}
        self._idle_since_s: float | None = None
        self._starting_since_s: float | None = None
        self.text = ""
        """What is waited for now; empty if nothing, or only other trials."""

    def judge(self, scene: Scene, now_s: float) -> list[GivenUp]:
        """Look at a scene; say what is given up, and keep `text` true."""
        lacking = [need for need in scene.needs if not scene.all_.holds(need)]
        kept = self._lacking_since_s
        self._lacking_since_s = {need: kept.get(need, now_s) for need in lacking}
        is_idle = bool(scene.needs) and not lacking and not scene.n_running
        self._idle_since_s = _since(self._idle_since_s, now_s, holds=is_idle)
        is_starting = is_idle and scene.n_starting > 0
        self._starting_since_s = _since(self._starting_since_s, now_s, holds=is_starting)
        self.text = self._text(scene, lacking, now_s)
        return [*self._lacking_too_long(scene, now_s), *self._starting_too_long(scene, now_s)]

    def stand_still(self, duration_s: float) -> None:
        """Don't count a time in which nobody could hear that a process has come up."""
        if self._starting_since_s is not None:
            self._starting_since_s += duration_s

    def _text(self, scene: Scene, lacking: Sequence[ResourceRequest], now_s: float) -> str:
        if lacking:
            limit = "" if self._limit_s is None else f", for at most {self._limit_s:g} s"
            return f"waiting{limit} for {lacking[0]}, which no node has: {scene.all_}"
        if self._idle_since_s is None or now_s - self._idle_since_s < _PATIENCE_S:
            return ""
        if self._starting_since_s is not None:
            is_late = now_s - self._starting_since_s >= _STARTING_S
            return "waiting for the first process to come up" if is_late else ""
        need = scene.needs[0]
        is_whole = not need.gpus or scene.free.gpus == scene.all_.gpus  # no GPU in fragments
        if is_whole and scene.free.holds(need):  # Ray is about to hand it out
            is_late = now_s - self._idle_since_s >= _STARTING_S
            return f"waiting for Ray to hand out {need}, which a node has free" if is_late else ""
        return f"waiting for {_shortage(scene)}"

    def _lacking_too_long(self, scene: Scene, now_s: float) -> list[GivenUp]:
        return [
            GivenUp(
                need=need,
                error=f"expected a node with {need} within {self._limit_s:g} s (wait_seconds), got"
                f" none; the cluster's nodes: {scene.all_}. Add a node, lower the need, or let the"
                " next sweep run what is missing.",
            )
            for need, since_s in self._lacking_since_s.items()
            if self._limit_s is not None and now_s - since_s >= self._limit_s
        ]

    def _starting_too_long(self, scene: Scene, now_s: float) -> list[GivenUp]:
        if self._starting_since_s is None or self._limit_s is None:
            return []
        limit_s = max(self._limit_s, _LEAST_STARTING_S)
        if now_s - self._starting_since_s < limit_s:
            return []
        return [
            GivenUp(
                need=None,
                error=f"expected a process within {limit_s:g} s (wait_seconds, at least"
                f" {_LEAST_STARTING_S:g} s), got none, though {scene.needs[0]} were given to it."
                " Ray's log on its node (worker-*.err) may say why.",
            )
        ]


def _since(since_s: float | None, now_s: float, *, holds: bool) -> float | None:
    """Return since when something holds; None if it does not."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _shortage(scene: Scene) -> str:
    """Return the first need with what is free of it, where it is the GPUs or the CPUs.

    >>> from akid.cluster.resources import Node
    >>> node = dict(name="a", cpus=4)
    >>> _shortage(Scene(
    ...     needs=[ResourceRequest(cpus=1, gpus=1)], n_running=0, n_starting=0,
    ...     all_=ClusterCapacity(nodes=(Node(gpus=2, **node),)),
    ...     free=ClusterCapacity(nodes=(Node(gpus=0, **node),)),
    ... ))
    '1 CPU, 1 GPU: 4 of 4 CPUs and 0 of 2 GPUs are free, the rest is held by others'
    """
    need = scene.needs[0]
    free, all_ = (capacity.meant_by(need.demand) for capacity in (scene.free, scene.all_))
    parts = [f"{free.cpus:g} of {all_.cpus:g} CPUs"]
    if need.gpus:
        parts.append(f"{free.gpus:g} of {all_.gpus:g} GPUs")
    parts += [
        f"{free.amount(name):g} of {all_.amount(name):g} {name}" for name in need.demand.names
    ]
    text = f"{need}: {' and '.join(parts)} are free, the rest is held by others"
    # Ray says how much of a node's GPUs is free, not of which.
    return f"{text}; what is free may be parts of several GPUs" if free.holds(need) else text
