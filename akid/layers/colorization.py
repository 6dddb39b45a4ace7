"""Colourisation: multiply feature maps by the colours of the image that they come from."""
# Shape legend: N = batch, C = channels, K = colours, H = height, W = width.

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.core.block import Block
from akid.errors import ShapeError
from akid.layers.inputs import several
from akid.layers.options import BlockOptions


class ColorizationReLULayer(Block):
    """Rectify feature maps and multiply them by each colour channel.

    Args:
        wipe_negative: Whether the products are rectified too.
        options: The arguments of `Block`.

    Shape:
        input: `[features, colours]` of `(N, C, H, W)` and `(N, K, H, W)`.
        output: `(N, K * C, H, W)`: all features by the first colour, then by the second, ...

    Raises:
        SetupError: When set up, if the inputs are not two tensors.
        ShapeError: When set up, if they differ in batch, height or width.

    >>> features, colours = torch.tensor([[[[2.0]], [[-2.0]]]]), torch.tensor([[[[3.0]], [[-1.0]]]])
    >>> ColorizationReLULayer()([features, colours]).flatten().tolist()
    [6.0, 0.0, -2.0, -0.0]
    """

    NAME: ClassVar[str] = "crelu"
    takes_list: ClassVar[bool] = True

    def __init__(self, *, wipe_negative: bool = False, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.wipe_negative = wipe_negative

    def _setup(self, inputs: Any) -> None:
        features, colours = several(inputs, "features", "colours", who=self.label)
        shapes = tuple(features.shape), tuple(colours.shape)
        if len(shapes[0]) != 4 or shapes[0][:1] + shapes[0][2:] != shapes[1][:1] + shapes[1][2:]:
            raise ShapeError(
                f"{self.label}: expected features (N, C, H, W) and colours (N, K, H, W) of one"
                f" batch and size, got shapes {shapes[0]} and {shapes[1]}."
            )

    def forward(self, inputs: list[Tensor]) -> Tensor:
        features, colours = inputs
        products = (torch.relu(features)[:, None] * colours[:, :, None]).flatten(1, 2)
        return torch.relu(products) if self.wipe_negative else products
