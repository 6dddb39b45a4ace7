"""Joker systems: jokers one after another, their pixel moves composed into one copy."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

from typing import final

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.padding import PaddingLayer
from akid.sensing.joker import BatchJoker, Joker, PlacingJoker
from akid.sensing.placing import place
from akid.sensing.prepared import Pixels
from akid.sensing.window import Window


@final
class JokerSystem(Block):
    """A sequence of jokers and padding layers.

    The moves at its beginning (flips, pads, crops) are composed before any pixel is copied.

    Shape:
        input: `[images, *labels]`, `(N, C, H, W)` float and `(N, ...)`.
        output: the same list; the images' size may differ.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.blocks = nn.ModuleList()

    def attach(self, block: Block) -> None:
        """Add a joker at the end.

        Raises:
            SetupError: If the block is neither a joker nor a padding layer.
        """
        if not isinstance(block, Joker | BatchJoker | PaddingLayer):
            raise SetupError(
                f"{self.label}: expected a Joker, a BatchJoker or a PaddingLayer, got"
                f" {type(block).__name__}. Layers belong into the brain."
            )
        self.blocks.append(block)

    def __len__(self) -> int:
        return len(self.blocks)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        return self.play(inputs, None, None)

    def play(
        self,
        tensors: list[Tensor],
        indices: Tensor | None,
        generator: torch.Generator | None,
        *,
        pixels: Pixels | None = None,
    ) -> list[Tensor]:
        """Take examples out of tensors and play all jokes on them.

        Examples that are taken by indices may come in another order, labels and all: mirrored ones
        last, which saves a pass over the memory.

        Args:
            tensors: Images and labels to take from.
            indices: Which to take; None takes all.
            generator: What every draw comes from; None means torch's own.
            pixels: The images as bytes, to be read instead where all that is done is to move them.

        Shape:
            tensors: `(M, C, H, W)` float, then `(M, ...)`.
            indices: `(N,)` int64.
        """
        images, *labels = tensors
        moves = self._moves()
        if moves:
            window = _composed(moves, images, indices, generator)
            if indices is not None and window.mirrored is not None:
                order = window.mirrored.argsort(stable=True)
                indices, window = indices[order], window.part(order)
            if pixels is None:
                images = place(images, indices, window)
            else:
                images = place(pixels.images, indices, window, pixels.normalization)
        elif indices is not None:
            images = images.index_select(0, indices)
        if indices is not None:
            labels = [tensor.index_select(0, indices) for tensor in labels]
        batch = [images, *labels]
        for block in self.blocks[len(moves) :]:
            batch = _play(block, batch, generator)
        return batch

    def _moves(self) -> list[PlacingJoker | PaddingLayer]:
        """Return the blocks at the beginning that only move pixels."""
        moves: list[PlacingJoker | PaddingLayer] = []
        for block in self.blocks:
            if isinstance(block, PlacingJoker) or (
                isinstance(block, PaddingLayer) and block.channel_padding == 0
            ):
                moves.append(block)
            else:
                break
        return moves


def _composed(
    moves: list[PlacingJoker | PaddingLayer],
    images: Tensor,
    indices: Tensor | None,
    generator: torch.Generator | None,
) -> Window:
    num = len(images) if indices is None else len(indices)
    height_px, width_px = images.shape[2:]
    window = Window.whole(num, height_px, width_px, images.device)
    for block in moves:
        if isinstance(block, PlacingJoker):
            window = block.move(window, generator)
        else:
            window = window.pad(*block.padding)
    return window


def _play(block: nn.Module, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
    if isinstance(block, BatchJoker):
        return block.play(batch, generator)
    images, *labels = batch
    return [block.play(images, generator) if isinstance(block, Joker) else block(images), *labels]
