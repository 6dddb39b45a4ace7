"""Movers: make the pixel moves of jokers on examples, for every place of every epoch."""
# Shape legend: N = batch, C = channels.

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final, NamedTuple, final

import torch
from torch import Tensor

from akid.core import seeding
from akid.sensing.buffers import Buffers
from akid.sensing.cores import few_cores
from akid.sensing.joker_system import JokerSystem
from akid.sensing.placing import Cut
from akid.sensing.prepared import Pixels

_BLOCK: Final = 2048
_KEEP: Final = 4


class Places(NamedTuple):
    """Where the examples of a batch stand in a training."""

    seed: int
    epoch: int
    numbers: range


@final
class Mover:
    """Plays the flips, pads and crops with which a joker system begins, for many places at once.

    What is drawn for a place depends on the seed, the epoch and the place's number alone: neither
    on the size of the batches, nor on how many workers share them, nor on where a training was
    resumed.

    Args:
        jokers: Whose moves are made.
    """

    def __init__(self, jokers: JokerSystem) -> None:
        self._jokers = jokers
        self._blocks: dict[Hashable, Cut] = {}
        self._buffers = Buffers()

    def move(self, pixels: Pixels, indices: Tensor, places: Places) -> Tensor:
        """Take images out of many, moved and normalised.

        Args:
            pixels: The images; they are left as they are.
            indices: Which of them are taken.
            places: Where in the training each of these is.

        Shape:
            indices: `(N,)` int64.
            output: `(N, C, height_px, width_px)`.
        """
        with few_cores(len(indices) * pixels.images[:1].numel()):
            cut = self._block(pixels, places, places.numbers.start // _BLOCK)
            out = self._empty(pixels, (len(indices), *cut.shape))
            for at, cut in self._parts(pixels, places):
                cut.place(pixels.images, indices[at], out[at])
        return out

    def _empty(self, pixels: Pixels, shape: Sequence[int]) -> Tensor:
        device = pixels.images.device
        if device.type == "cpu":
            return self._buffers.empty(shape, pixels.dtype)
        return torch.empty(shape, dtype=pixels.dtype, device=device)

    def _parts(self, pixels: Pixels, places: Places) -> Iterator[tuple[slice, Cut]]:
        """Return which of the places lie in one block after the other, and their windows."""
        numbers, done = places.numbers, 0
        while done < len(numbers):
            block, first = divmod(numbers[done], _BLOCK)
            inside = range(first, _BLOCK, numbers.step)[: len(numbers) - done]
            at = slice(inside.start, inside.stop, inside.step)
            yield slice(done, done + len(inside)), self._block(pixels, places, block).part(at)
            done += len(inside)

    def _block(self, pixels: Pixels, places: Places, number: int) -> Cut:
        images, normalization = pixels.images, pixels.normalization
        key = (*places[:2], number, images.shape, images.dtype, images.device, normalization)
        block = self._blocks.get(key)
        if block is None:
            # A thread that makes batches ahead may be here too: at worst it draws the same again.
            block = self._drawn(pixels, seeding.derive(places.seed, "moves", places.epoch, number))
            for oldest in list(self._blocks)[: 1 - _KEEP]:
                self._blocks.pop(oldest, None)
            self._blocks[key] = block
        return block

    def _drawn(self, pixels: Pixels, seed: int) -> Cut:
        device, shape = pixels.images.device, pixels.images.shape[1:]
        generator = torch.Generator(device).manual_seed(seed)
        window = self._jokers.compose(_BLOCK, shape[1:], device, generator)
        return Cut.of(window, shape, pixels.dtype, pixels.normalization)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was drawn: it is drawn again."""
        return {**self.__dict__, "_blocks": {}}
