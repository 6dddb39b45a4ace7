"""DataParallelEngine: each mini-batch is split over the workers of a group.

The kid that `practice` was called on does not compute. It is copied to the workers, each inside of
Ray Train's `TorchTrainer`; each copy goes through the kid's loop with its part of every batch, the
gradients are averaged over the workers in each step, so all copies stay the same. Rank 0 writes the
files and tells the kid here what happens; the hooks are called here.
"""

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, final

import ray
import torch
from torch import Tensor

from akid.cluster import connection
from akid.cluster.resources import ResourceRequest
from akid.core.block import Signal
from akid.errors import ResourceError, SetupError
from akid.sensing.sensor import FeedSensor
from akid.training import ray_group
from akid.training.contact import WorkerLostError
from akid.training.engine import Engine, EngineParts
from akid.training.kid import Kid
from akid.training.ray_group import START_LIMIT_S, WorkerGroup
from akid.training.ray_performance import Performance, copy_of
from akid.training.single_engine import SingleEngine

_SETTLED_S: Final = 2.0
"""How long Ray takes to tell what was given back."""
_LOOK_EVERY_S: Final = 0.2


@final
class DataParallelEngine(Engine):
    """Splits each mini-batch over workers and averages their gradients ("data_parallel").

    The result is that of the single engine, but for what hangs on a worker's part of the batch:
    batch normalisation takes the mean and the variance of each worker's part (its running averages
    are averaged over the workers), and dropout and jokers draw from streams of their own in each
    worker. A validation counts each sample once.

    Hooks are called in the calling process, on a kid that is like those of the workers at that
    moment. Of what a hook changes, only `kid.stop()` and `kid.kongfu.lr_value` reach the workers.

    Args:
        name: The block's name.
        num_gpu: The number of workers: each has a GPU, or a CPU where there are no GPUs. The least
            and the greatest, such as `(1, 4)`, let as many practise as there is room for when
            practice starts, or starts again after a worker died.
        gpu_num: The same by its other name.
        device: "cpu" for workers without GPUs where there are some. A `validate` outside of a
            practice is computed on the CPU of the calling process.
        cpu_num_per_worker: How many CPUs of the cluster each worker takes; a fraction is allowed.
        max_restarts: How many times to start again from the last checkpoint after a worker died.
        start_limit_s: How long to wait until the cluster has room for all workers, and again until
            they have started.
        precision: See `SingleEngine`.
        compile: See `SingleEngine`.
        channels_last: See `SingleEngine`.

    Raises:
        SetupError: If a number is not legal, or both names of the number are given.
    """

    is_elsewhere = True

    def __init__(
        self,
        name: str | None = None,
        *,
        num_gpu: int | Sequence[int] | None = None,
        gpu_num: int | Sequence[int] | None = None,
        device: torch.device | str | None = None,
        cpu_num_per_worker: float = 1,
        max_restarts: int = 0,
        start_limit_s: float = START_LIMIT_S,
        precision: str = "float32",
        compile: bool | Mapping[str, Any] = False,  # noqa: A002 (torch's own word)
        channels_last: bool | None = None,
    ) -> None:
        super().__init__(name)
        if num_gpu is not None and gpu_num is not None:
            raise SetupError(
                "Engine 'data_parallel': expected num_gpu or gpu_num, got both,"
                f" num_gpu={num_gpu!r} and gpu_num={gpu_num!r}."
            )
        self.span = _span(next((n for n in (num_gpu, gpu_num) if n is not None), 2))
        self.cpu_num_per_worker = cpu_num_per_worker
        self.max_restarts = max_restarts
        self.start_limit_s = start_limit_s
        self._check_counts()
        self.wants_gpus = device is None or torch.device(device).type == "cuda"
        self.device = torch.device("cpu")
        self._options: dict[str, Any] = {
            "precision": precision,
            "compile": compile,
            "channels_last": channels_last,
        }
        # In a tuple, as an attribute of its own it would become a submodule.
        self._local = (SingleEngine(device="cpu", **self._options),)

    def _check_counts(self) -> None:
        if type(self.max_restarts) is not int or self.max_restarts < 0:
            raise SetupError(
                "Engine 'data_parallel': expected max_restarts as an integer from 0,"
                f" got max_restarts={self.max_restarts!r}."
            )
        for argument in ("cpu_num_per_worker", "start_limit_s"):
            if not getattr(self, argument) > 0:
                raise SetupError(
                    f"Engine 'data_parallel': expected {argument} above 0,"
                    f" got {argument}={getattr(self, argument)!r}."
                )

    def practise_all(self, kid: Any, *, resumes: bool) -> None:
        """Practise on the worker group at hand; without one, gather a group and end it afterwards.

        Raises:
            SetupError: If the kid can't practise on several workers, or on those that are at hand.
            ResourceError: If the cluster does not have the workers' CPUs or GPUs, or not in time.
            TrainingError: If a worker died or did not start in time, and that too often.
            Exception: Whatever a worker or a hook raised, as it is.
        """
        _check(kid)
        copy = copy_of(kid, self._options)  # what the kid hears meanwhile is not where it began
        with self._cluster():
            for restarts_left in reversed(range(self.max_restarts + 1)):
                with self._group() as group:
                    performance = Performance(kid, copy, self._options, group)
                    try:
                        performance.run(resumes=resumes)
                        break
                    except WorkerLostError as error:
                        if not restarts_left:
                            raise
                        kid.log(f"starts again from the last checkpoint: {error}")
                        resumes = resumes or performance.has_begun

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        """Be connected to a cluster, if only one that is started for this practice."""
        most = math.ceil(self.span[1] * self.cpu_num_per_worker)
        num_cpus = max(os.cpu_count() or 1, most)
        with connection.connect(num_cpus=None if connection.is_connected() else num_cpus):
            yield

    @contextmanager
    def _group(self) -> Iterator[WorkerGroup]:
        group = ray_group.at_hand()
        if group is not None:
            yield self._checked(group)
            return
        resources = self._resources()
        number = self._number(resources)
        with ray_group.gathered(number, resources, start_limit_s=self.start_limit_s) as group:
            yield group

    def _checked(self, group: WorkerGroup) -> WorkerGroup:
        if not self.span[0] <= group.num_workers <= self.span[1]:
            raise SetupError(
                f"Engine 'data_parallel': expected num_gpu={group.num_workers}, as there are so"
                f" many workers at hand, got num_gpu={_told(self.span)}."
            )
        if group.have_gpus and not self.wants_gpus:
            raise SetupError(
                "Engine 'data_parallel': expected workers without GPUs at hand, as the kid shall"
                " practise on device='cpu', got workers with a GPU each. Say it where it is read"
                ' before they are gathered: engine={"name": "data_parallel", "device": "cpu", ...}.'
            )
        return group

    def _number(self, resources: Mapping[str, float]) -> int:
        """Return for how many workers there is room now, or the least that there have to be."""
        least, most = self.span
        need = ResourceRequest(cpus=resources["CPU"], gpus=resources.get("GPU", 0.0))
        deadline_s = time.monotonic() + _SETTLED_S
        while least < most and (room := connection.free().slots(need)) < most:
            if time.monotonic() >= deadline_s:
                return max(least, room)
            time.sleep(_LOOK_EVERY_S)
        return most

    def _resources(self) -> dict[str, float]:
        """Return what each worker takes.

        Raises:
            ResourceError: If the cluster has less than the least number of them need.
        """
        there = ray.cluster_resources()
        least = self.span[0]
        resources = {"CPU": self.cpu_num_per_worker}
        if self.wants_gpus and torch.version.cuda is not None and there.get("GPU", 0) > 0:
            resources["GPU"] = 1
        for kind, number in resources.items():
            if there.get(kind, 0) < number * least:
                raise ResourceError(
                    f"Engine 'data_parallel': expected a cluster with {kind} ="
                    f" {number * least:g} for num_gpu={_told(self.span)}, got one with"
                    f" {kind} = {there.get(kind, 0):g}. Ask for fewer workers, or with"
                    " cpu_num_per_worker for less for each."
                )
        return resources

    # What is computed outside of a practice, is computed here.

    def _setup(self, inputs: EngineParts) -> None:
        self._local[0].setup(inputs)

    def forward(self, inputs: Signal) -> Any:
        """Propagate a batch through the brain, in this process."""
        return self._local[0](inputs)

    def step(self, batch: list[Tensor], *, measure: bool = False) -> None:
        self._local[0].step(batch, measure=measure)

    def measurements(self) -> dict[str, float]:
        return self._local[0].measurements()

    def evaluate(self, batches: Iterable[list[Tensor]]) -> dict[str, float]:
        return self._local[0].evaluate(batches)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the scale of the loss, for a checkpoint."""
        return self._local[0].get_extra_state()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_extra_state` gave."""
        self._local[0].set_extra_state(state)


def _span(number: Any) -> tuple[int, int]:
    """Return the least and the greatest number of workers.

    Raises:
        SetupError: If it is neither a number nor two.
    """
    ends = tuple(number) if isinstance(number, tuple | list) else (number, number)
    if len(ends) != 2 or any(type(end) is not int for end in ends) or not 1 <= ends[0] <= ends[1]:
        raise SetupError(
            "Engine 'data_parallel': expected num_gpu as an integer from 1, or as the least and the"
            f" greatest, such as (1, 4), got num_gpu={number!r}."
        )
    return ends


def _told(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else str(span)


def _check(kid: Kid) -> None:
    if not isinstance(kid.sensor, FeedSensor):
        raise SetupError(
            f"{kid.label}: expected a FeedSensor with engine 'data_parallel', as its batches can be"
            f" shared out, got a {type(kid.sensor).__name__}. Use engine 'single'."
        )
    if kid.do_batch_monitoring:
        raise SetupError(
            f"{kid.label}: expected do_batch_monitoring=False with engine 'data_parallel', as the"
            " blocks' data lie in other processes, got True. Use engine 'single'."
        )
