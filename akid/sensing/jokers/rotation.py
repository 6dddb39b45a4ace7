"""Rotation: turn each image by an angle."""

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from akid.errors import SetupError
from akid.sensing.joker import Joker, draw


@final
class RotationJoker(Joker):
    """Turn each image about its middle by an angle of its own; zeros fill the corners.

    Args:
        max_angle_deg: The largest angle to either side, in degrees.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float.
        output: the same, interpolated bilinearly; new memory.
    """

    def __init__(self, max_angle_deg: float = 15.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if max_angle_deg < 0:
            raise SetupError(
                f"{self.label}: expected an angle of at least 0 degrees, got {max_angle_deg=!r}."
            )
        self.max_angle_deg = max_angle_deg

    def play(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        height_px, width_px = images.shape[2:]
        limit = self.max_angle_deg * torch.pi / 180
        angle = draw(len(images), -limit, limit, images, generator).flatten()
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        # In torch's coordinates both sides run from -1 to 1, whatever their length.
        rows = [cos, -sin * height_px / width_px, zero, sin * width_px / height_px, cos, zero]
        turns = torch.stack(rows, dim=1).view(-1, 2, 3)
        grid = functional.affine_grid(turns, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, align_corners=False)
