"""Joker systems: jokers one after another, their pixel moves composed into one copy."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

from typing import final

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.padding import PaddingLayer
from akid.sensing.joker import BatchJoker, Joker, PlacingJoker
from akid.sensing.window import Window, place


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
        self, tensors: list[Tensor], indices: Tensor | None, generator: torch.Generator | None
    ) -> list[Tensor]:
        """Take examples out of tensors and play all jokes on them.

        Args:
            tensors: Images and labels to take from.
            indices: Which to take; None takes all.
            generator: What every draw comes from; None means torch's own.

        Shape:
            tensors: `(M, C, H, W)` float, then `(M, ...)`.
            indices: `(N,)` int64.
        """
        num_moves = len(self._moves())
        images, *labels = tensors
        if num_moves:
            images = self._moved(images, indices, generator)
        elif indices is not None:
            images = images.index_select(0, indices)
        if indices is not None:
            labels = [tensor.index_select(0, indices) for tensor in labels]
        batch = [images, *labels]
        for block in self.blocks[num_moves:]:
            batch = _play(block, batch, generator)
        return batch

    def _moved(
        self, images: Tensor, indices: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        num = len(images) if indices is None else len(indices)
        height_px, width_px = images.shape[2:]
        window = Window.whole(num, height_px, width_px, images.device)
        for block in self._moves():
            if isinstance(block, PlacingJoker):
                window = block.move(window, generator)
            else:
                window = window.pad(*block.padding)
        return place(images, indices, window)

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


def _play(block: nn.Module, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
    if isinstance(block, BatchJoker):
        return block.play(batch, generator)
    images, *labels = batch
    return [block.play(images, generator) if isinstance(block, Joker) else block(images), *labels]
