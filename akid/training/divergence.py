"""Divergence: noticing that a loss became NaN or infinite, and saying in which block it began."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, final

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.core.system import System
from akid.errors import DivergedError


@final
class Guard:
    """Watches the losses of training steps.

    On the CPU each loss is looked at before it is back-propagated. On another device that would
    wait for the device in each step; there the losses are kept and looked at together.

    Args:
        brain: The brain that gives the losses.
        device: Where they are.
        every: How many losses are kept at most.
    """

    def __init__(
        self, brain: System, *, device: torch.device | None = None, every: int = 50
    ) -> None:
        self._brain: Final = brain
        self._looks_at_each: Final = device is None or device.type == "cpu"
        self._every: Final = every
        self._kept: list[tuple[int, Tensor]] = []

    def note(self, loss: Tensor, batch: Sequence[Tensor], *, step: int) -> None:
        """Take the loss of a step in.

        Raises:
            DivergedError: If it, or one that was kept, is not finite.
        """
        if self._looks_at_each:
            value = loss.item()
            if not math.isfinite(value):
                raise explain(self._brain, batch, step=step, loss=value)
            return
        self._kept.append((step, loss.detach()))
        if len(self._kept) >= self._every:
            self.check(batch)

    def check(self, batch: Sequence[Tensor]) -> None:
        """Look at the losses that were kept.

        Raises:
            DivergedError: If one of them is not finite.
        """
        if not self._kept:
            return
        steps, losses = zip(*self._kept, strict=True)
        self._kept.clear()
        for step, loss in zip(steps, torch.stack(losses).tolist(), strict=True):
            if not math.isfinite(loss):
                raise explain(self._brain, batch, step=step, loss=loss)


def explain(
    brain: System, batch: Sequence[Tensor], *, step: int, loss: float, of: str = "training"
) -> DivergedError:
    """Return the error that says when and where a loss went wrong."""
    return DivergedError(
        f"{brain.label}: expected a finite {of} loss, got {loss} at step {step};"
        f" {first_fault(brain, batch)}."
        " Lower the learning rate, clip the gradients (clip_norm) or check the data."
    )


@torch.no_grad()
def first_fault(brain: System, batch: Sequence[Tensor]) -> str:
    """Propagate once more and say what is not finite first: the batch or which block's what."""
    if not batch or not len(batch[0]):  # as a small one at the end of an epoch for some workers
        return "the batch has no samples here"
    if not _is_finite(batch):
        return "the batch itself is not finite"
    kept = brain.keep_data
    brain.keep_data = True
    try:
        brain(list(batch))
        return _first_fault_in(brain, "") or "every block's output is finite now"
    finally:
        brain.keep_data = kept


def _first_fault_in(system: System, prefix: str) -> str | None:
    for name, block in system.blocks.items():
        assert isinstance(block, Block)
        if isinstance(block, System) and (fault := _first_fault_in(block, f"{prefix}{name}/")):
            return fault
        if names := _infinite_parameters(block):
            return f"first not finite: {', '.join(names)} of block {prefix + name!r}"
        if not _is_finite(block.data):
            return f"first not finite: the output of block {prefix + name!r}"
    return None


def _infinite_parameters(block: nn.Module) -> list[str]:
    return [name for name, tensor in block.named_parameters() if not _is_finite(tensor)]


def _is_finite(signal: Tensor | Iterable[Tensor]) -> bool:
    if isinstance(signal, Tensor):
        return bool(torch.isfinite(signal).all())
    return all(_is_finite(tensor) for tensor in signal)
