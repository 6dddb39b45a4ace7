"""Order: neighbouring blocks that change places, as the result is the same and costs less."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from akid.core.block import Block
from akid.core.plan import Feed


def swaps(blocks: Sequence[Block], feeds: Sequence[Feed], offset: int, result: Feed) -> list[int]:
    """Return the positions of blocks that may change places with the one after them.

    The first has to agree (`Block.may_run_after`), and what it gives is read by the second alone,
    so that nobody misses it. No block changes places twice.

    Args:
        blocks: The blocks in the order in which they were attached.
        feeds: What each takes.
        offset: The slot of the first block's output.
        result: What the system gives.
    """
    found: list[int] = []
    for position, (block, reader) in enumerate(pairwise(blocks)):
        slot = offset + position
        is_alone = _readers(slot, feeds, result) == [position + 1]
        is_chain = feeds[position].refs is None and feeds[position + 1] == Feed(slot, None, None)
        is_free = position - 1 not in found
        if is_alone and is_chain and is_free and block.may_run_after(reader):
            found.append(position)
    return found


def swapped(blocks: Iterable[Block], positions: Sequence[int]) -> list[Block]:
    """Return the blocks in the order in which they run; those that a hook watches keep theirs."""
    order = list(blocks)
    for position in positions:
        first, second = order[position : position + 2]
        if not (_is_watched(first) or _is_watched(second)):
            order[position : position + 2] = second, first
    return order


def _readers(slot: int, feeds: Sequence[Feed], result: Feed) -> list[int]:
    everybody = [*feeds, result]
    return [at for at, feed in enumerate(everybody) if slot in {read for read, _ in feed.needs()}]


def _is_watched(block: Block) -> bool:
    return bool(
        block._forward_hooks  # noqa: SLF001 - torch has no public way to ask
        or block._forward_pre_hooks  # noqa: SLF001
        or block._backward_hooks  # noqa: SLF001
        or block._backward_pre_hooks  # noqa: SLF001
    )
