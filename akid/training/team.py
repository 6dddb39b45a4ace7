"""Team: the workers that compute one step together, and what they tell each other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import torch
from torch import Tensor, distributed

from akid.training.contact import contact
from akid.training.early_sums import EarlySums, small
from akid.training.tally import Tally


class Team(ABC):
    """What an engine asks of the workers that practise the same kid on parts of each batch.

    All of them make the same calls in the same order.

    Attributes:
        is_chief: Whether this worker writes the files of the run.
    """

    is_chief: bool = True

    def begin(self, num_samples: int) -> None:
        """Begin a step, of whose batch this worker has so many samples."""
        del num_samples

    def weighted(self, loss: Tensor) -> Tensor:
        """Return a mean over this worker's samples times their part of the batch.

        What comes of it, gradients as well, needs no more than to be summed over the workers.
        """
        return loss

    def averaging(self, parameters: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Let `average` begin as soon as there are gradients.

        It is entered around the only backpropagation before an `average` of the same.
        """
        del parameters
        return nullcontext()

    @abstractmethod
    def average(self, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
        """Give every worker the gradients of the whole batch, and the same buffers.

        Args:
            parameters: What has gradients, those of a `weighted` loss; one that no worker has a
                gradient of keeps none.
            buffers: Running statistics; their means over the samples of all workers are taken.
        """

    @abstractmethod
    def join(self, tally: Tally) -> Tally:
        """Return the tally over the samples of all workers."""

    @abstractmethod
    def sum(self, value: float) -> float:
        """Return the sum of the workers' values."""


@final
class Alone(Team):
    """A team of one."""

    def average(self, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
        del parameters, buffers

    def join(self, tally: Tally) -> Tally:
        return tally

    def sum(self, value: float) -> float:
        return value


@final
class ProcessTeam(Team):
    """The processes of torch's default process group (gloo on CPUs, nccl on GPUs).

    Args:
        rank: Which of them this one is.
        num_workers: How many there are.
        device: Where the gradients are.
    """

    def __init__(self, rank: int, num_workers: int, *, device: torch.device) -> None:
        self.rank = rank
        self.num_workers = num_workers
        self.is_chief = rank == 0
        self._device = device
        self._num_mine = self._num_all = torch.zeros((), device=device)
        self._counting: Any = None  # what torch lets one wait with, which has no public type
        self._packed: Tensor | None = None
        self._early = EarlySums()

    def begin(self, num_samples: int) -> None:
        self._num_mine = torch.full((), float(num_samples), device=self._device)
        self._num_all = self._num_mine.clone()
        with contact():
            self._counting = distributed.all_reduce(self._num_all, async_op=True)

    def weighted(self, loss: Tensor) -> Tensor:
        return loss * self._part()

    def averaging(self, parameters: Sequence[Tensor]) -> AbstractContextManager[None]:
        return self._early.beginning(parameters)

    def average(self, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
        packed = pack(parameters, buffers, self._part(), out=self._packed)
        self._early.begin_rest(parameters)
        with contact():
            distributed.all_reduce(packed)
        self._early.wait()
        unpack(packed, parameters, buffers)
        self._packed = packed

    def _part(self) -> Tensor:
        """Return which part of the batch this worker has, without waiting for a GPU."""
        if self._counting is not None:
            with contact():
                self._counting.wait()
            self._counting = None
        return self._num_mine / self._num_all

    def join(self, tally: Tally) -> Tally:
        return Tally.joined(self._gather(tally.detached()))

    def sum(self, value: float) -> float:
        return float(sum(self._gather(value)))

    def from_chief(self, value: object) -> object:
        """Return what the chief has called this with."""
        values = [value]
        with contact():
            distributed.broadcast_object_list(values, src=0, device=self._device)
        return values[0]

    def _gather(self, value: object) -> list:  # type: ignore[type-arg]
        values: list[object] = [None] * self.num_workers
        with contact():
            distributed.all_gather_object(values, value)
        return values


def pack(
    parameters: Sequence[Tensor],
    buffers: Sequence[Tensor],
    part: Tensor,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Return the small gradients, and the buffers times `part`, as one vector to be summed.

    Behind them stands for each parameter whether it has a gradient.

    Args:
        parameters: What has gradients, or none. The large ones' are summed by themselves, see
            `EarlySums`.
        buffers: What is averaged.
        part: Which part of the batch this worker has, a scalar where the gradients are.
        out: The vector of the last step, which is written over: memory that is new in each step
            costs more than what is done with it. None makes one.

    >>> weights = torch.zeros(2, requires_grad=True)
    >>> weights.grad = torch.tensor([1.0, 2.0])
    >>> pack([weights], [torch.tensor(8.0)], torch.tensor(0.25))
    tensor([1., 2., 2., 1.])
    """
    gradients = [
        torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        for tensor in small(parameters)
    ]
    values = [tensor.detach().flatten() for tensor in gradients]
    # A factor with a dimension widens what is of half precision; a scalar would not.
    values += [tensor.detach().flatten() * part.reshape(1) for tensor in buffers]
    has_gradient = [float(tensor.grad is not None) for tensor in parameters]
    return torch.cat([*values, torch.tensor(has_gradient, device=part.device)], out=out)


@torch.no_grad()
def unpack(packed: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
    """Take gradients and buffers out of the sum of all workers.

    Args:
        packed: The sum of their `pack`.
        parameters: Get their gradients; the large ones have them already.
        buffers: Get their means.
    """
    little = small(parameters)
    sizes = [tensor.numel() for tensor in (*little, *buffers)]
    *sums, counts = torch.split(packed, [*sizes, len(parameters)])
    for tensor, gradient in zip(little, sums, strict=False):
        tensor.grad = gradient.view_as(tensor).to(tensor.dtype)
    for tensor, used in zip(parameters, counts.tolist(), strict=True):
        if not used:
            tensor.grad = None
    for buffer, mean in zip(buffers, sums[len(little) :], strict=True):
        buffer.copy_(mean.view_as(buffer))
