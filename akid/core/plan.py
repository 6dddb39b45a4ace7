"""Plan: the wires of a system resolved to integers, once, so that a call looks nothing up."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from akid.core.block import Block
from akid.core.wiring import SYSTEM_IN, Wire

Ref: TypeAlias = tuple[int, int | None]
"""Where a tensor is: a slot, and the index in the list that lies there (None: no list)."""


class Feed(NamedTuple):
    """What a block takes, resolved to numbers: one tensor, or a list of them.

    Attributes:
        slot: Where the tensor lies; the system's inputs come first, then each block's output.
        pick: Its index, where a list lies there; None takes all that lies there.
        refs: The tensors to collect into a list, or None where one is taken.
    """

    slot: int
    pick: int | None
    refs: tuple[Ref, ...] | None

    def needs(self) -> tuple[Ref, ...]:
        """Return all tensors that are taken."""
        return ((self.slot, self.pick),) if self.refs is None else self.refs

    def take(self, values: Sequence[Any]) -> Any:
        """Collect from what lies in the slots."""
        if self.refs is None:
            return values[self.slot] if self.pick is None else values[self.slot][self.pick]
        return [values[slot] if idx is None else values[slot][idx] for slot, idx in self.refs]


Step: TypeAlias = tuple[int, int | None, tuple[Ref, ...] | None, tuple[int, ...]]
"""A feed, and the slots that nobody reads after the block has run."""


def num_inputs(wires: Sequence[list[Wire] | None]) -> int:
    """Return how many of the system's inputs are read."""
    read = [0] if wires[0] is None else []
    for entries in wires:
        for wire in entries or []:
            read += wire.idxs if wire.name == SYSTEM_IN else []
    return max(read, default=-1) + 1


def default_feed(block: Block, slot: int, num_inputs: int, values: Sequence[Any]) -> Feed:
    """Resolve a block without `inputs`: it takes from the block before it."""
    if slot == num_inputs:
        return Feed(0, None, None)
    before = values[slot - 1]
    if not isinstance(before, list | tuple):
        return Feed(slot - 1, None, None)
    if getattr(block, "takes_list", False):
        return feed_of([(slot - 1, idx) for idx in range(len(before))])
    return Feed(slot - 1, 0, None)


def feed_of(refs: list[Ref]) -> Feed:
    """Return the feed that takes these tensors."""
    if len(refs) == 1:
        return Feed(*refs[0], None)
    return Feed(-1, None, tuple(refs))


def steps_of(feeds: Sequence[Feed], num_inputs: int, result: Feed) -> list[Step]:
    """Add to each feed the slots that nobody reads later, so that they can be freed."""
    last_reader = dict.fromkeys(range(num_inputs), 0)
    for position, feed in enumerate(feeds):
        last_reader[num_inputs + position] = position
        for slot, _ in feed.needs():
            last_reader[slot] = position
    kept = {slot for slot, _ in result.needs()}
    return [
        (*feed, tuple(s for s, p in last_reader.items() if p == position and s not in kept))
        for position, feed in enumerate(feeds)
    ]
