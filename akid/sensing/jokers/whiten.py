"""Whitening and rescaling: bring each image to a common range by itself."""

from typing import final

import torch
from torch import Tensor

from akid.sensing.joker import Joker


@final
class WhitenJoker(Joker):
    """Give each image mean 0 and standard deviation 1 over all its pixels and channels.

    An image of one value becomes zeros: the deviation counts as at least one over the square root
    of the number of values.

    Shape:
        input: `(N, C, H, W)` float.
        output: the same; new memory.

    >>> WhitenJoker()(torch.tensor([[[[1.0, 3.0]]]])).flatten().tolist()
    [-1.0, 1.0]
    """

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG002
        std, mean = torch.std_mean(images, (1, 2, 3), correction=0, keepdim=True)
        least = images[0].numel() ** -0.5 if len(images) else 1.0
        return (images - mean).div_(std.clamp_(min=least))


@final
class RescaleJoker(Joker):
    """Divide each image by its largest value; an image without a value above 0 stays as it is.

    Shape:
        input: `(N, C, H, W)` float.
        output: the same, at most 1; new memory.
    """

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG002
        largest = images.amax((1, 2, 3), keepdim=True)
        return images / torch.where(largest > 0, largest, 1)
