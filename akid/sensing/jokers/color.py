"""Colour: change brightness, saturation, hue and contrast of colour images."""
# Shape legend: N = batch, H = height, W = width.

from typing import Final, final

import torch
from torch import Tensor

from akid.errors import ShapeError
from akid.sensing.joker import Joker, draw

# Rows: luminance and the two chrominance signals of the YIQ colour space; a hue is an angle there.
_TO_YIQ: Final = (
    (0.299, 0.587, 0.114),
    (0.595716, -0.274453, -0.321263),
    (0.211456, -0.522591, 0.311135),
)


@final
class ColorJoker(Joker):
    """Give each image other colours: brightness, then saturation and hue, then contrast.

    Args:
        brightness_delta: The most that is added or subtracted.
        saturation_range: Least and largest factor of the colours' distance from grey.
        hue_delta: The most by which the hue is turned, as a fraction of the whole circle.
        contrast_range: Least and largest factor about each channel's mean.
        name: The block's name.

    Shape:
        input: `(N, 3, H, W)` float in [0, 1].
        output: the same, clipped to [0, 1]; new memory.

    Raises:
        ShapeError: If the images do not have three channels.
    """

    def __init__(
        self,
        *,
        brightness_delta: float = 32 / 255,
        saturation_range: tuple[float, float] = (0.5, 1.5),
        hue_delta: float = 0.2,
        contrast_range: tuple[float, float] = (0.5, 1.5),
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.brightness_delta = brightness_delta
        self.saturation_range = saturation_range
        self.hue_delta = hue_delta
        self.contrast_range = contrast_range

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        num, channels = images.shape[:2]
        if channels != 3:
            raise ShapeError(
                f"{self.label}: expected images of 3 channels, got shape {tuple(images.shape)}."
                " LightJoker takes any number of them."
            )
        delta = self.brightness_delta
        brightness = draw(num, -delta, delta, images, generator)
        saturation = draw(num, *self.saturation_range, images, generator)
        hue = draw(num, -self.hue_delta, self.hue_delta, images, generator)
        contrast = draw(num, *self.contrast_range, images, generator)
        mixed = _color_matrix(saturation.flatten(), hue.flatten() * 2 * torch.pi)
        images = mixed.matmul((images + brightness).flatten(2)).view_as(images)
        mean = images.mean((2, 3), keepdim=True)
        return torch.addcmul(mean * (1 - contrast), images, contrast).clamp_(0, 1)


def _color_matrix(saturation: Tensor, angle: Tensor) -> Tensor:
    """Return for each image the matrix that turns and stretches its colours, `(N, 3, 3)`."""
    to_yiq = torch.tensor(_TO_YIQ, dtype=torch.float64)
    from_yiq = torch.linalg.inv(to_yiq).to(saturation)
    cos, sin = saturation * angle.cos(), saturation * angle.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [one, zero, zero, zero, cos, -sin, zero, sin, cos]
    turn = torch.stack(rows, dim=1).view(-1, 3, 3)
    return torch.matmul(from_yiq, turn).matmul(to_yiq.to(saturation))
