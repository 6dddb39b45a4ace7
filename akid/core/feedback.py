"""Feedback: an edge that carries what a block gave one step ago (recurrence, unrolled in time)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from akid.core.plan import Feed, Ref
from akid.core.wiring import Wire

GUESSES: Final = 3
"""How often the shape of what flows back is guessed before it has to be declared."""
ADVICE: Final = 'Declare it: {"name": ..., "feedback": True, "shape": [...]}, without the batch.'


@dataclass(frozen=True, kw_only=True, eq=False)
class Loop:
    """One tensor that flows back.

    Attributes:
        name: The block that gives it.
        idx: Which of the block's outputs it is.
        shape: Its shape without the batch; None if it is not known yet.
        initial: What is read in the first step: a number, or a tensor of that shape.
        ref: Where the tensor lies after a step; None before the set-up.
    """

    name: str
    idx: int
    shape: tuple[int, ...] | None
    initial: float | Tensor
    ref: Ref | None = None

    def start(self, inputs: Sequence[Any]) -> Tensor | None:
        """Return what the first step reads, for as many samples as the system's inputs have."""
        if self.shape is None:
            return None
        first = inputs[0]
        dtype = next((x.dtype for x in inputs if x.is_floating_point()), torch.get_default_dtype())
        if isinstance(self.initial, Tensor):
            initial = self.initial.to(first.device, dtype)
            return initial.expand(first.shape[0], *self.shape)
        size = (first.shape[0], *self.shape)
        return torch.full(size, float(self.initial), device=first.device, dtype=dtype)

    def back(self, values: Sequence[Any]) -> Any:
        """Return what the next step reads, from all values of a step."""
        assert self.ref is not None, "the loop is set up"
        slot, idx = self.ref
        return values[slot] if idx is None else values[slot][idx]


def loops_of(wires: Sequence[list[Wire] | None]) -> list[Loop]:
    """Return one loop for each tensor that is read over a feedback edge, in order."""
    return [
        Loop(name=wire.name, idx=idx, shape=_shape(wire), initial=wire.initial)
        for entries in wires
        for wire in entries or []
        if wire.feedback
        for idx in wire.idxs
    ]


def _shape(wire: Wire) -> tuple[int, ...] | None:
    return tuple(wire.initial.shape) if isinstance(wire.initial, Tensor) else wire.shape


def guess(feed: Feed, values: list[Any], loop_slots: range) -> None:
    """Fill in what a block reads and is not known: zeros like another thing that it reads."""
    slots = [slot for slot, _ in feed.needs()]
    known = [value for value in map(values.__getitem__, slots) if isinstance(value, Tensor)]
    like = known[0] if known else values[0]
    for slot in slots:
        if slot in loop_slots and values[slot] is None:
            values[slot] = torch.zeros(like.shape, device=like.device)


def core(loops: Sequence[Loop], feeds: Sequence[Feed], num_inputs: int) -> frozenset[int]:
    """Return the positions of the blocks that the loops' tensors depend on.

    Only they run in every step; the others run once, in the last.
    """
    offset = num_inputs + len(loops)
    pending = [loop.ref[0] for loop in loops if loop.ref is not None]
    found: set[int] = set()
    while pending:
        slot = pending.pop()
        if slot < offset or slot - offset in found:
            continue
        found.add(slot - offset)
        pending += [needed for needed, _ in feeds[slot - offset].needs()]
    return frozenset(found)


def at_step(inputs: Sequence[Any], sequence_idxs: Sequence[int], step: int) -> Iterator[Any]:
    """Give the system's inputs of one step: of a sequence, that step's part of dimension 1."""
    for idx, signal in enumerate(inputs):
        yield signal[:, step] if idx in sequence_idxs else signal
