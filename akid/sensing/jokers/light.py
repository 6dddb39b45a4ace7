"""Light: change contrast and brightness."""

from typing import final

import torch
from torch import Tensor

from akid.sensing.joker import Joker, draw


@final
class LightJoker(Joker):
    """Give each image another contrast, then another brightness.

    The contrast stretches each channel about its mean by a factor of 0.2 to 1.8; the brightness
    adds one number of -63 to 63 to the whole image. The pixels are expected in [0, 255] or another
    range of that width; for a range of width 1 say `brightness_delta=63 / 255`.

    Args:
        contrast: Whether to change the contrast.
        brightness: Whether to change the brightness.
        contrast_range: Least and largest factor.
        brightness_delta: The most that is added or subtracted.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float.
        output: the same; new memory.
    """

    def __init__(
        self,
        contrast: bool = True,
        brightness: bool = True,
        *,
        contrast_range: tuple[float, float] = (0.2, 1.8),
        brightness_delta: float = 63.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.contrast = contrast
        self.brightness = brightness
        self.contrast_range = contrast_range
        self.brightness_delta = brightness_delta

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.contrast:
            factor = draw(len(images), *self.contrast_range, images, generator)
            mean = images.mean((2, 3), keepdim=True)
            images = torch.addcmul(mean * (1 - factor), images, factor)
        if self.brightness:
            delta = self.brightness_delta
            images = images + draw(len(images), -delta, delta, images, generator)
        return images
