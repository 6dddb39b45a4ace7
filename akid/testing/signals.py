"""What contracts do with signals: walk over their tensors, change them, compare them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from akid.core.block import Signal


def tensors(signal: Any) -> list[Tensor]:
    """Return the tensors of a signal, in order.

    >>> tensors(torch.zeros(2)), len(tensors([torch.zeros(2), torch.zeros(3)]))
    ([tensor([0., 0.])], 2)
    """
    found = list(signal) if isinstance(signal, list | tuple) else [signal]
    assert all(isinstance(item, Tensor) for item in found), (
        f"expected a signal (a tensor or a list of tensors), got {[type(x) for x in found]}."
    )
    return found


def changed(signal: Signal, change: Callable[[Tensor], Tensor]) -> Signal:
    """Return a signal of the same form with each tensor changed.

    >>> changed([torch.zeros(2), torch.ones(1)], lambda x: x + 1)
    [tensor([1., 1.]), tensor([2.])]
    """
    return change(signal) if isinstance(signal, Tensor) else [change(x) for x in signal]


def copied(signal: Signal) -> Signal:
    """Return the same values in new memory."""
    return changed(signal, lambda x: x.detach().clone())


def of_dtype(signal: Signal, dtype: torch.dtype) -> Signal:
    """Return the signal with its floating-point tensors in another type; others stay.

    >>> [x.dtype for x in of_dtype([torch.zeros(1), torch.tensor([3])], torch.float64)]
    [torch.float64, torch.int64]
    """
    return changed(signal, lambda x: x.to(dtype) if x.is_floating_point() else x)


def shapes(signal: Any) -> list[tuple[int, ...]]:
    """Return the shape of each tensor."""
    return [tuple(x.shape) for x in tensors(signal)]


def same_bits(left: Any, right: Any) -> bool:
    """Whether two signals agree in every bit (NaN equals NaN here).

    >>> same_bits(torch.tensor([1.0]), [torch.tensor([1.0])])
    True
    """
    ones, others = tensors(left), tensors(right)
    return len(ones) == len(others) and all(
        one.shape == other.shape
        and one.dtype == other.dtype
        and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
        for one, other in zip(ones, others, strict=True)
    )


def assert_close(left: Any, right: Any, *, message: str) -> None:
    """Raise an AssertionError that begins with `message` unless two signals agree to rounding."""
    pairs = zip(tensors(left), tensors(right), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(
            one, other, equal_nan=True, msg=lambda difference: f"{message}\n{difference}"
        )
