"""Layout: in which order the numbers of images lie in memory (channels first or channels last)."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

FEWEST_IMAGES: Final = 32
"""From how many images on channels last pays: below, turning the weights round costs more."""


def is_faster(batch: Sequence[Tensor]) -> bool:
    """Say whether convolutions of this batch are mostly faster with channels last.

    They are on a CPU, whose kernels else reorder what they read and what they give: by 5 to 25 %
    of a training step, see `benchmarks/`. On other devices it hangs on much more, so it is not
    chosen there.
    """
    data = batch[0]
    return data.dim() == 4 and data.device.type == "cpu" and len(data) >= FEWEST_IMAGES


def channels_last(batch: Sequence[Tensor]) -> list[Tensor]:
    """Return the same batch with the channels of each pixel side by side, where there are images.

    Shape:
        batch: `(N, C, H, W)` is laid out anew, anything else given back as it is.
        output: the same shapes, values, types and devices; only the strides differ. Images of one
            channel share the memory of the batch's.

    >>> images = torch.zeros(2, 1, 4, 4)
    >>> channels_last([images])[0].stride(), images.stride()
    ((16, 1, 4, 1), (16, 16, 4, 1))
    """
    return [_channels_last(tensor) if tensor.dim() == 4 else tensor for tensor in batch]


def _channels_last(images: Tensor) -> Tensor:
    _, c, h, w = images.shape
    moved = images.contiguous(memory_format=torch.channels_last)
    # One channel lies alike both ways, and torch takes it for channels first unless told.
    return moved.as_strided(moved.shape, (h * w, 1, w, 1)) if c == 1 else moved
