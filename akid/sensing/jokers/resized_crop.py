"""Resized crops: cut a part of random size and shape out of each image and stretch it."""
# Shape legend: N = batch, C = channels, H = height, W = width, K = tries.

import math
from typing import Final, final

import torch
from torch import Tensor
from torch.nn import functional

from akid.errors import SetupError
from akid.sensing.joker import Joker

_TRIES: Final = 10


@final
class ResizedCropJoker(Joker):
    """Cut a rectangle of random area and aspect out of each image, and give it one size.

    The usual augmentation of ImageNet (Szegedy et al., Going deeper with convolutions, 2015). A
    rectangle that does not fit into the image is drawn anew, ten times at most; then the largest
    middle part whose aspect is in range is taken.

    Args:
        height: Rows of the result.
        width: Columns of the result.
        area_range: Least and largest part of the image's area.
        aspect_range: Least and largest width divided by height; drawn evenly in its logarithm.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float.
        output: `(N, C, height, width)`, interpolated bilinearly; new memory.

    Raises:
        SetupError: If a size is below 1, or a range does not fit.

    >>> ResizedCropJoker(height=24, width=24)(torch.zeros(8, 3, 32, 32)).shape
    torch.Size([8, 3, 24, 24])
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        area_range: tuple[float, float] = (0.08, 1.0),
        aspect_range: tuple[float, float] = (3 / 4, 4 / 3),
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        areas_fit = 0 < area_range[0] <= area_range[1] <= 1
        if min(height, width) < 1 or not areas_fit or not 0 < aspect_range[0] <= aspect_range[1]:
            raise SetupError(
                f"{self.label}: expected height and width of at least 1 pixel, an area_range in"
                f" (0, 1] and an aspect_range above 0, got {height=!r}, {width=!r},"
                f" {area_range=!r}, {aspect_range=!r}."
            )
        self.height = height
        self.width = width
        self.area_range = area_range
        self.aspect_range = aspect_range

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        top, left, height_px, width_px = self.rectangles(images, generator)
        rows = _centres(top, height_px, self.height, images.shape[2])
        columns = _centres(left, width_px, self.width, images.shape[3])
        shape = (len(images), self.height, self.width)
        grid = torch.stack([columns[:, None].expand(shape), rows[..., None].expand(shape)], dim=3)
        return functional.grid_sample(
            images, grid.to(images.dtype), padding_mode="border", align_corners=False
        )

    def rectangles(
        self, images: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw what is cut out of each image: its first row and column, its height and width.

        Shape:
            images: `(N, C, H, W)`.
            output: `(N,)` int64 each.
        """
        num, height, width = len(images), images.shape[2], images.shape[3]

        def draw(low: float, high: float, tries: int) -> Tensor:
            numbers = torch.empty(num, tries, device=images.device, dtype=torch.float32)
            return numbers.uniform_(low, high, generator=generator)

        area = draw(*self.area_range, _TRIES) * height * width
        low, high = (math.log(aspect) for aspect in self.aspect_range)
        aspect = draw(low, high, _TRIES).exp()
        heights, widths = (area / aspect).sqrt().round(), (area * aspect).sqrt().round()
        fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
        chosen = fits.int().argmax(1, keepdim=True)
        fallback = self._largest(height, width)
        is_found = fits.any(1)
        height_px = torch.where(is_found, heights.gather(1, chosen)[:, 0], fallback[0])
        width_px = torch.where(is_found, widths.gather(1, chosen)[:, 0], fallback[1])
        places = draw(0, 1, 2)
        middle = torch.full_like(places, 0.5)
        places = torch.where(is_found[:, None], places, middle)
        top = (places[:, 0] * (height - height_px + 1)).floor().clamp(max=height - height_px)
        left = (places[:, 1] * (width - width_px + 1)).floor().clamp(max=width - width_px)
        return top.long(), left.long(), height_px.long(), width_px.long()

    def _largest(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the largest part whose aspect is in range."""
        aspect = min(max(width / height, self.aspect_range[0]), self.aspect_range[1])
        return max(1, min(height, round(width / aspect))), max(
            1, min(width, round(height * aspect))
        )


def _centres(start: Tensor, size: Tensor, num: int, whole: int) -> Tensor:
    """Return where `num` pixels, spread over a part of a side, look; the side is from -1 to 1.

    Nothing is seen beyond the part, as if it had been cut out before.

    Shape:
        output: `(N, num)`.
    """
    steps = (torch.arange(num, device=start.device, dtype=torch.float32) + 0.5) / num
    places = (steps * size[:, None]).clamp(min=0.5)
    places = torch.minimum(places, size[:, None] - 0.5) + start[:, None]
    return places * 2 / whole - 1
