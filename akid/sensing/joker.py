"""Jokers: random changes to images that leave their meaning (data augmentation)."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from akid.core.block import Block
from akid.errors import ShapeError
from akid.sensing.placing import place
from akid.sensing.window import Window


class Joker(Block, ABC):
    """Changes a batch of images, each in its own random way, on the device where they lie.

    A subclass implements `play`. A joker keeps no random state: a sensor gives a generator that it
    derives from its seed and from the batch's place, so that a resumed run plays the same jokes; a
    joker that is called as a block draws from torch's own generator.
    """

    @abstractmethod
    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return changed images; the given ones are left as they are.

        Shape:
            images: `(N, C, H, W)` float.
        """

    def forward(self, inputs: Tensor) -> Tensor:
        return self.play(_images(inputs, self.label), None)


class BatchJoker(Block, ABC):
    """A joker that changes the labels together with the images.

    Called as a block it takes and gives the list `[images, *labels]`.
    """

    @abstractmethod
    def play(self, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
        """Return a changed batch; the given one is left as it is.

        Shape:
            batch: `(N, C, H, W)` float, then labels `(N, ...)`.
        """

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        return self.play(inputs, None)


class PlacingJoker(Joker):
    """A joker that only moves pixels: what it does is said by a window for each image.

    A sensor composes the windows of several such jokers and copies the pixels once.
    """

    @abstractmethod
    def move(self, window: Window, generator: torch.Generator | None) -> Window:
        """Return the window that is seen after this joke, out of what was seen before it."""

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        num, _, height_px, width_px = images.shape
        window = Window.whole(num, height_px, width_px, images.device)
        return place(images, None, self.move(window, generator))


def draw(
    num: int, low: float, high: float, like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return one number for each image, uniform in [low, high), as `(N, 1, 1, 1)` on its device."""
    numbers = torch.empty(num, 1, 1, 1, device=like.device, dtype=torch.float32)
    return numbers.uniform_(low, high, generator=generator).to(like.dtype)


def _images(inputs: Any, who: str) -> Tensor:
    if not isinstance(inputs, Tensor) or inputs.dim() != 4:
        got = f"shape {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else repr(type(inputs))
        raise ShapeError(f"{who}: expected images of shape (N, C, H, W), got {got}.")
    return inputs
