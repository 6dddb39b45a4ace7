"""IntegratedSensor: a sensor that plays jokers on its batches (a loader with augmentation)."""
# Shape legend: N = examples of a batch.

import logging
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block
from akid.errors import SetupError
from akid.sensing.feed import TensorFeed
from akid.sensing.joker_system import JokerSystem
from akid.sensing.mover import Mover, Places
from akid.sensing.prepared import Pixels
from akid.sensing.sampler import Cursor, SamplerSpec
from akid.sensing.sensor import FeedSensor
from akid.sensing.source import FeedSource

logger = logging.getLogger(__name__)


@final
class IntegratedSensor(FeedSensor):
    """A `FeedSensor` with jokers: for training, and others for validation and testing.

    The jokers run on the device where the data lie, on a whole batch at a time, with draws of its
    own for each image. What they draw depends on the sensor's seed and the batch's place alone: the
    same seed gives the same images, also after a resume and with prefetching. Flips, pads and crops
    at the beginning are drawn for each place of an epoch, however it is cut into batches, and cost
    one pass over the pixels together.

    The arguments are those of `FeedSensor`.

    >>> from akid.layers.padding import PaddingLayer
    >>> from akid.sensing.datasets.digits import DigitsFeedSource
    >>> from akid.sensing.jokers.crop import CropJoker
    >>> from akid.sensing.jokers.flip import FlipJoker
    >>> source = DigitsFeedSource(name="Source", scale=True)
    >>> sensor = IntegratedSensor(source_in=source, batch_size=128, name="data")
    >>> sensor.attach(FlipJoker(flip_left_right=True, name="left_right_flip"))
    >>> sensor.attach(PaddingLayer(padding=[4, 4]))
    >>> sensor.attach(CropJoker(height=8, width=8, name="crop"))
    >>> sensor.setup()
    >>> sensor.data().shape
    torch.Size([128, 1, 8, 8])
    """

    def __init__(
        self,
        source_in: FeedSource,
        *,
        batch_size: int = 100,
        val_batch_size: int = 100,
        sampler: SamplerSpec = "shuffle",
        val_sampler: SamplerSpec = "sequence",
        prefetch: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            source_in,
            batch_size=batch_size,
            val_batch_size=val_batch_size,
            sampler=sampler,
            val_sampler=val_sampler,
            prefetch=prefetch,
            name=name,
        )
        self.jokers = JokerSystem("jokers")
        self.val_jokers = JokerSystem("val_jokers")
        self._mover = Mover(self.jokers)

    def attach(self, joker: Block, to_val: bool = False) -> None:
        """Add a joker behind those that are there.

        Args:
            joker: A `Joker`, a `BatchJoker` or a `PaddingLayer`.
            to_val: Play it on validation and test batches instead of training ones. What both need
                (a resizing, say) is attached twice.

        Raises:
            SetupError: If it is none of these, or the sensor was set up already.
        """
        if self.is_setup:
            raise SetupError(
                f"{self.label}: expected jokers before the set-up, got {joker!r} after it."
            )
        (self.val_jokers if to_val else self.jokers).attach(joker)

    def _setup(self, inputs: Any) -> None:
        super()._setup(inputs)
        feed = self._feed("train")
        if isinstance(feed, TensorFeed):
            self._try(feed.cut(0, 2))

    def _try(self, examples: list[Tensor]) -> None:
        """Play all jokers once, so that one that does not fit says so now."""
        generator = self._generator("try")
        train, val = (
            tuple(system.play(examples, generator)[0].shape[1:])
            for system in (self.jokers, self.val_jokers)
        )
        if train != val:
            logger.warning(
                "%s: training gives data of shape %s, validation of shape %s; attach what changes"
                " the size to both: attach(..., to_val=True).",
                *(self.label, train, val),
            )

    def epoch(self, split: str) -> Iterator[list[Tensor]]:
        batches = super().epoch(split)
        return self._played(split, batches) if len(self.val_jokers) else batches

    def _make(self, cursor: Cursor, indices: Tensor) -> list[Tensor]:
        jokers = self.jokers
        batch = self._moved(cursor, indices) if jokers.num_moves else super()._make(cursor, indices)
        if len(jokers) == jokers.num_moves:
            return batch
        return jokers.finish(batch, self._generator("train", *cursor))

    def _moved(self, cursor: Cursor, indices: Tensor) -> list[Tensor]:
        """Return the examples after the moves with which the jokers begin."""
        feed = self._feed("train")
        if isinstance(feed, TensorFeed):
            pixels = feed.pixels
            labels = [tensor.index_select(0, indices) for tensor in feed.tensors[1:]]
        else:
            images, *labels = feed.pick(indices)
            pixels, indices = Pixels(images=images), torch.arange(len(images), device=images.device)
        first = cursor.position + self._rank
        numbers = range(first, first + len(indices) * self._num_workers, self._num_workers)
        places = Places(self.seed, cursor.epoch, numbers)
        return [self._mover.move(pixels, indices, places), *labels]

    def _played(self, split: str, batches: Iterator[list[Tensor]]) -> Iterator[list[Tensor]]:
        for number, batch in enumerate(batches):
            played = self.val_jokers.play(batch, self._generator(split, number))
            if split == "val":
                self._current["val"] = played
            yield played

    def _generator(self, *place: str | int) -> torch.Generator:
        """Return the generator of what is drawn for one batch."""
        seed = seeding.derive(self.seed, "jokers", *place, self._rank)
        return torch.Generator(self.device).manual_seed(seed)
