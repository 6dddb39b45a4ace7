"""Flips: turn images left to right or upside down."""

from typing import final

import torch

from akid.errors import SetupError
from akid.sensing.joker import PlacingJoker
from akid.sensing.window import Window


@final
class FlipJoker(PlacingJoker):
    """Turn each image over, or not, as a coin falls.

    Args:
        flip_left_right: Turn left to right; else upside down.
        probability: How often an image is turned.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)`.
        output: the same; new memory.

    >>> images = torch.arange(3.0).reshape(1, 1, 1, 3)
    >>> FlipJoker(probability=1)(images).flatten().tolist()
    [2.0, 1.0, 0.0]
    """

    def __init__(
        self, flip_left_right: bool = True, *, probability: float = 0.5, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        if not 0 <= probability <= 1:
            raise SetupError(
                f"{self.label}: expected a probability in [0, 1], got probability={probability!r}."
            )
        self.flip_left_right = flip_left_right
        self.probability = probability

    def move(self, window: Window, generator: torch.Generator | None) -> Window:
        coins = torch.rand(window.num, generator=generator, device=window.top.device)
        which = coins < self.probability
        return window.mirror(which) if self.flip_left_right else window.turn(which)
