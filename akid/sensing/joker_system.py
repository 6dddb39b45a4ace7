"""Joker systems: jokers one after another, their pixel moves composed into one copy."""
# Shape legend: N = batch, M = images of the source, C = channels, H = height, W = width.

import itertools
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.padding import PaddingLayer
from akid.sensing.joker import BatchJoker, Joker, PlacingJoker
from akid.sensing.placing import place
from akid.sensing.window import Window


@final
class JokerSystem(Block):
    """A sequence of jokers and padding layers.

    The moves at its beginning (flips, pads, crops) are composed before any pixel is copied.

    Attributes:
        num_moves: How many blocks at the beginning only move pixels.

    Shape:
        input: `[images, *labels]`, `(N, C, H, W)` float and `(N, ...)`.
        output: the same list; the images' size may differ.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.blocks = nn.ModuleList()
        self.num_moves = 0

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
        if self.num_moves == len(self.blocks) and _is_move(block):
            self.num_moves += 1
        self.blocks.append(block)

    def __len__(self) -> int:
        return len(self.blocks)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        return self.play(inputs, None)

    def play(self, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
        """Play all jokes on a batch; the given one is left as it is.

        Args:
            batch: Images and labels.
            generator: What every draw comes from; None means torch's own.
        """
        if self.num_moves:
            images, *labels = batch
            window = self.compose(len(images), images.shape[2:], images.device, generator)
            batch = [place(images, None, window), *labels]
        return self.finish(batch, generator)

    def compose(
        self,
        num: int,
        size_px: Sequence[int],
        device: torch.device,
        generator: torch.Generator | None,
    ) -> Window:
        """Return what the moves at the beginning come to, for `num` images of a size."""
        height_px, width_px = size_px
        window = Window.whole(num, height_px, width_px, device)
        for block in itertools.islice(self.blocks, self.num_moves):
            if isinstance(block, PlacingJoker):
                window = block.move(window, generator)
            else:
                assert isinstance(block, PaddingLayer)
                window = window.pad(*block.padding)
        return window

    def finish(self, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
        """Play the jokes that come after the moves at the beginning."""
        for block in itertools.islice(self.blocks, self.num_moves, None):
            batch = _play(block, batch, generator)
        return batch


def _is_move(block: Block) -> bool:
    if isinstance(block, PaddingLayer):
        return block.channel_padding == 0
    return isinstance(block, PlacingJoker)


def _play(block: nn.Module, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
    if isinstance(block, BatchJoker):
        return block.play(batch, generator)
    images, *labels = batch
    return [block.play(images, generator) if isinstance(block, Joker) else block(images), *labels]
