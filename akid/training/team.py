"""Team: the workers that compute one step together, and what they tell each other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import final

import torch
from torch import Tensor, distributed

from akid.training.contact import contact
from akid.training.early_sums import EarlySums, large, small
from akid.training.tally import Tally


class Team(ABC):
    """What an engine asks of the workers that practise the same kid on parts of each batch.

    All of them make the same calls in the same order.

    Attributes:
        is_chief: Whether this worker writes the files of the run.
    """

    is_chief: bool = True

    def averaging(
        self, parameters: Sequence[Tensor], num_samples: int
    ) -> AbstractContextManager[None]:
        """Let `average` begin as soon as there are gradients.

        It is entered around the only backpropagation before an `average` of the same.
        """
        del parameters, num_samples
        return nullcontext()

    @abstractmethod
    def average(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], num_samples: int
    ) -> None:
        """Give every worker the gradients of the whole batch, and the same buffers.

        Args:
            parameters: What has gradients; one that no worker has a gradient of keeps none.
            buffers: Running statistics, averaged as the gradients are.
            num_samples: How many samples this worker had: its weight.
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

    def average(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], num_samples: int
    ) -> None:
        del parameters, buffers, num_samples

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
        self._packed: Tensor | None = None
        self._early = EarlySums()

    def averaging(
        self, parameters: Sequence[Tensor], num_samples: int
    ) -> AbstractContextManager[None]:
        return self._early.beginning(parameters, num_samples)

    def average(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], num_samples: int
    ) -> None:
        packed = pack(parameters, buffers, num_samples, out=self._packed, device=self._device)
        self._early.begin_rest(parameters, num_samples)
        with contact():
            distributed.all_reduce(packed)
        self._early.wait()
        unpack(packed, parameters, buffers)
        self._packed = packed

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
    num_samples: int,
    *,
    out: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return the small gradients and the buffers times `num_samples`, as one vector to be summed.

    Behind them stand the number of samples, and for each parameter whether it has a gradient.

    Args:
        parameters: What has gradients, or none. The large ones' are summed by themselves, see
            `EarlySums`.
        buffers: What is averaged with them.
        num_samples: The weight.
        out: The vector of the last step, which is written over: memory that is new in each step
            costs more than what is done with it. None makes one.
        device: Where the vector lies.

    >>> weights = torch.zeros(2, requires_grad=True)
    >>> weights.grad = torch.tensor([1.0, 2.0])
    >>> pack([weights], [], 3)
    tensor([3., 6., 3., 1.])
    """
    gradients = [
        torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        for tensor in small(parameters)
    ]
    values = [tensor.detach().flatten() for tensor in (*gradients, *buffers)]
    has_gradient = [float(tensor.grad is not None) for tensor in parameters]
    tail = torch.tensor([1.0, *has_gradient], device=device)
    packed = torch.cat([*values, tail], out=out)
    packed[: len(packed) - len(has_gradient)].mul_(num_samples)
    return packed


@torch.no_grad()
def unpack(packed: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
    """Make means over the samples of all workers of the sums of all workers.

    Args:
        packed: The sum of their `pack`.
        parameters: Get the means as gradients; the large ones have the sums already.
        buffers: Get their means.
    """
    little = small(parameters)
    sizes = [tensor.numel() for tensor in (*little, *buffers)]
    *sums, counts = torch.split(packed, [*sizes, 1 + len(parameters)])
    large_sums = [tensor.grad for tensor in large(parameters) if tensor.grad is not None]
    torch._foreach_div_([*sums, *large_sums], counts[0])
    for tensor, mean in zip(little, sums, strict=False):
        tensor.grad = mean.view_as(tensor).to(tensor.dtype)
    for tensor, used in zip(parameters, counts[1:].tolist(), strict=True):
        if not used:
            tensor.grad = None
    for buffer, mean in zip(buffers, sums[len(little) :], strict=True):
        buffer.copy_(mean.view_as(buffer))
