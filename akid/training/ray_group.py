"""Worker group: processes that practise kids together, one kid after another, as Ray actors.

A group lies in a placement group with a bundle for each worker: Ray gives all of them or none, so
two groups never wait for each other's halves, and packs them on one machine where they fit.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, final

import ray
from ray.exceptions import GetTimeoutError, RayActorError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from akid.errors import ResourceError
from akid.training.contact import WorkerLostError
from akid.training.exchange import Answer
from akid.training.ray_worker import GroupWorker, Place, Task

START_LIMIT_S: Final = 60.0
"""How long a group may take to be gathered, and again to start."""
_CALLS_AT_ONCE: Final = 4  # a practice, what the chief says next, an answer, and one to spare


@final
class WorkerGroup:
    """The workers of one placement group; they are started when they are needed.

    Args:
        placement: The placement group, with a bundle for each worker, all of one size.
        resources: What a bundle has, such as `{"CPU": 1, "GPU": 1}`.
        start_limit_s: How long the workers may take to start.
        worker_class: What the actors are made of.

    Attributes:
        num_workers: How many workers there are.
        threads: How many threads each computes with: one for each whole CPU, at least one.
        have_gpus: Whether each has a GPU.
    """

    def __init__(
        self,
        placement: PlacementGroup,
        resources: Mapping[str, float],
        *,
        start_limit_s: float = START_LIMIT_S,
        worker_class: type[GroupWorker] = GroupWorker,
    ) -> None:
        self.num_workers: int = placement.bundle_count
        self.threads = max(1, math.floor(resources.get("CPU", 1)))
        self.have_gpus = resources.get("GPU", 0) > 0
        self._placement = placement
        self._resources = dict(resources)
        self._start_limit_s = start_limit_s
        self._class = worker_class
        self._workers: list[Any] = []

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Let engines in this thread use this group rather than gather one of their own.

        Yields:
            None.
        """
        token = _AT_HAND.set(self)
        try:
            yield
        finally:
            _AT_HAND.reset(token)

    def start(self) -> None:
        """Start the workers that are not there, without waiting for them."""
        if self._workers:
            return
        kinds = dict(self._resources)
        options = {"num_cpus": kinds.pop("CPU", 0), "num_gpus": kinds.pop("GPU", 0)}
        actor = ray.remote(self._class)
        for rank in range(self.num_workers):
            bundle = PlacementGroupSchedulingStrategy(
                placement_group=self._placement, placement_group_bundle_index=rank
            )
            worker = actor.options(
                **options,
                resources=kinds,
                max_concurrency=_CALLS_AT_ONCE,
                scheduling_strategy=bundle,
            )
            self._workers.append(worker.remote())

    def begin(self, task: Task) -> list[Any]:
        """Let the workers practise; return references to how each ends.

        Raises:
            WorkerLostError: If one does not start in time, or dies before it has begun.
        """
        self.start()
        try:
            starting = [worker.__ray_ready__.remote() for worker in self._workers]
            ray.get(starting, timeout=self._start_limit_s)
            host, port = ray.get(self._workers[0].open.remote(), timeout=self._start_limit_s)
        except GetTimeoutError as error:
            self.dismiss()
            raise WorkerLostError(
                f"Engine 'data_parallel': expected {self.num_workers} workers to start within"
                f" {self._start_limit_s:g} s, got some that did not. The machine is overloaded or"
                " has gone away; look at `ray status`."
            ) from error
        except RayActorError as error:
            self.dismiss()
            raise WorkerLostError(
                f"Engine 'data_parallel': expected {self.num_workers} workers to start, got one"
                f" that died: {error}"
            ) from error
        shared = ray.put(task)
        places = (
            Place(rank=rank, num_workers=self.num_workers, host=host, port=port)
            for rank in range(self.num_workers)
        )
        return [
            worker.practise.remote(shared, place)
            for worker, place in zip(self._workers, places, strict=True)
        ]

    def hear(self) -> Any:
        """Return a reference to what rank 0 says next."""
        return self._workers[0].next.remote()

    def answer(self, answer: Answer) -> None:
        """Answer what rank 0 has asked."""
        self._workers[0].answer.remote(answer)

    def clean(self) -> list[str]:
        """Undo in all workers what a practice left behind; return what could not be undone."""
        return [fault for each in ray.get(self.call("clean")) for fault in each]

    def call(self, method: str) -> list[Any]:
        """Call a method of each worker; return references to the answers, by rank."""
        return [getattr(worker, method).remote() for worker in self._workers]

    def dismiss(self) -> None:
        """End the workers; `begin` starts new ones."""
        for worker in self._workers:
            ray.kill(worker)
        self._workers = []


_AT_HAND: Final[ContextVar[WorkerGroup | None]] = ContextVar("worker group", default=None)


def at_hand() -> WorkerGroup | None:
    """Return the group that is at hand in this thread, if there is one."""
    return _AT_HAND.get()


@contextmanager
def gathered(
    num_workers: int, resources: Mapping[str, float], *, start_limit_s: float = START_LIMIT_S
) -> Iterator[WorkerGroup]:
    """Wait until the cluster has room for all workers, give them, and end them afterwards.

    Args:
        num_workers: How many.
        resources: What each takes.
        start_limit_s: How long to wait for room.

    Yields:
        The group.

    Raises:
        ResourceError: If there is no room in time.
    """
    placement = placement_group([dict(resources)] * num_workers, strategy="PACK")
    try:
        if not placement.wait(start_limit_s):
            raise ResourceError(
                f"Engine 'data_parallel': expected room for {num_workers} workers of"
                f" {_listed(resources)} each within {start_limit_s:g} s, got a cluster where"
                f" {_listed(ray.available_resources())} is free now. Wait until others are done,"
                " ask for fewer workers, or give the engine a longer start_limit_s."
            )
        group = WorkerGroup(placement, resources, start_limit_s=start_limit_s)
        try:
            yield group
        finally:
            group.dismiss()
    finally:
        remove_placement_group(placement)


def _listed(resources: Mapping[str, float]) -> str:
    shown = [f"{resources.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU") if kind in resources]
    return " and ".join(shown) or "0 CPU"
