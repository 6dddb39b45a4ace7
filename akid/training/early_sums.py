"""EarlySums: large gradients are summed over the processes while backpropagation still goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, final

import torch
from torch import Tensor, distributed

from akid.training.contact import contact

LARGE: Final = 2**16
"""From how many numbers on a gradient is large: sending it takes longer than telling of it."""


@final
class EarlySums:
    """The large gradients of a step, summed in place over torch's default process group.

    Backpropagation makes the last layers' gradients first; sending them takes no time of its own
    where the other layers are computed meanwhile. All processes must sum the same tensors in the
    same order, so a gradient waits until those of the parameters behind it have been begun
    (S. Li et al., "PyTorch Distributed", VLDB 2020, section 3.2.3).
    """

    def __init__(self) -> None:
        self._begun: list[Any] = []  # what torch lets one wait with, which has no public type

    @contextmanager
    def beginning(self, parameters: Sequence[Tensor]) -> Iterator[None]:
        """Begin each sum as soon as backpropagation has made its gradient.

        Args:
            parameters: What has gradients, large and small.

        Yields:
            None.
        """
        order = large(parameters)
        made: set[int] = set()

        def note(parameter: Tensor) -> None:
            made.add(id(parameter))
            while len(self._begun) < len(order) and id(order[len(self._begun)]) in made:
                self._begin(order[len(self._begun)])

        hooks = [
            parameter.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
            for parameter in order
            if parameter.requires_grad
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def begin_rest(self, parameters: Sequence[Tensor]) -> None:
        """Begin the sums that have not been begun; a missing gradient counts as zeros."""
        for parameter in large(parameters)[len(self._begun) :]:
            self._begin(parameter)

    def wait(self) -> None:
        """Wait until all gradients are sums."""
        with contact():
            for work in self._begun:
                work.wait()
        self._begun.clear()

    def _begin(self, parameter: Tensor) -> None:
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        # What lies in another order, such as channels last, may do so in this process alone.
        parameter.grad = gradient.detach().contiguous()
        with contact():
            self._begun.append(distributed.all_reduce(parameter.grad, async_op=True))


def large(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return those with large gradients, the last one first.

    >>> [len(tensor) for tensor in large([torch.zeros(LARGE), torch.zeros(3), torch.zeros(70000)])]
    [70000, 65536]
    """
    return [tensor for tensor in reversed(parameters) if tensor.numel() >= LARGE]


def small(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return those with gradients that are not large, in their order."""
    return [tensor for tensor in parameters if tensor.numel() < LARGE]
