"""Anatomy: the blocks of a brain by their paths, and what each gives for a batch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.system import System
from akid.errors import SetupError


def leaves(system: System, prefix: str = "") -> Iterator[tuple[str, Block]]:
    """Give the blocks that hold no other blocks with their paths, in the order of attachment.

    >>> from akid.core.system import SequentialSystem
    >>> from akid.layers.activation import ReLULayer
    >>> inner, outer = SequentialSystem(name="stage1"), SequentialSystem()
    >>> inner.attach(ReLULayer())
    >>> outer.attach(inner, ReLULayer())
    >>> [path for path, _ in leaves(outer)]
    ['stage1/relu1', 'relu1']
    """
    for block in system:
        path = f"{prefix}{block.label}"
        if isinstance(block, System):
            yield from leaves(block, f"{path}/")
        else:
            yield path, block


def named(brain: Brain, names: str | Sequence[str] | None) -> dict[str, Block]:
    """Return the leaf blocks of these names by path; of a system's name, all that it holds.

    Raises:
        SetupError: If a name is unknown; the message lists the known ones.
    """
    if names is None:
        return dict(leaves(brain))
    found: dict[str, Block] = {}
    for name in [names] if isinstance(names, str) else names:
        block = brain.get_layer_by_name(name)
        found |= dict(leaves(block, f"{name}/")) if isinstance(block, System) else {name: block}
    return found


@contextmanager
def thinking(brain: Brain, batch: Sequence[Tensor]) -> Iterator[Mapping[str, list[Tensor]]]:
    """Propagate a batch without learning, and put the brain back into its mode at the end.

    Evaluation mode draws no random number and updates no running mean, so that looking changes
    nothing.

    Yields:
        What each leaf block gives, by path, in order; blocks that give no tensors are left out.
    """
    modes = [(module, module.training) for module in brain.modules()]
    kept = brain.keep_data
    brain.eval()
    brain.keep_data = True
    try:
        with torch.no_grad():
            brain(list(batch))
        outputs = {path: _tensors(block) for path, block in leaves(brain)}
        yield {path: tensors for path, tensors in outputs.items() if tensors}
    finally:
        brain.keep_data = kept
        for module, training in modes:
            module.training = training


def _tensors(block: Block) -> list[Tensor]:
    try:
        data: Any = block.data
    except SetupError:  # a block of a system that keeps nothing
        return []
    listed = data if isinstance(data, list | tuple) else [data]
    return [tensor for tensor in listed if isinstance(tensor, Tensor)]
