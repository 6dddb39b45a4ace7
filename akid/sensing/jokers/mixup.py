"""Mixup: blend each image and its label with another one of the batch."""

from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from akid.errors import SetupError
from akid.sensing.joker import BatchJoker


@final
class MixupJoker(BatchJoker):
    """Blend each example with a random other one: `w * own + (1 - w) * other`, labels likewise.

    The labels become dense: for each example the weights of the classes, which sum to 1.

    Args:
        num_classes: How many classes there are.
        alpha: The weights w are drawn from the Beta(alpha, alpha) distribution, one an example.
        name: The block's name.

    Shape:
        input: `(N, C, H, W)` float and labels `(N,)` int64.
        output: `(N, C, H, W)` and `(N, num_classes)` float; new memory.
    """

    def __init__(self, num_classes: int, *, alpha: float = 0.2, name: str | None = None) -> None:
        super().__init__(name=name)
        if num_classes < 1 or alpha <= 0:
            raise SetupError(
                f"{self.label}: expected at least 1 class and an alpha above 0, got"
                f" {num_classes=!r}, {alpha=!r}."
            )
        self.num_classes = num_classes
        self.alpha = alpha

    def play(self, batch: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
        if len(batch) != 2:
            raise SetupError(
                f"{self.label}: expected images and one kind of label, got {len(batch)} tensors."
            )
        images, labels = batch
        weight = self._weights(images, generator)
        others = torch.randperm(len(images), generator=generator, device=images.device)
        dense = functional.one_hot(labels, self.num_classes).to(images.dtype)
        return [
            torch.lerp(images[others], images, weight.view(-1, *(1,) * (images.dim() - 1))),
            torch.lerp(dense[others], dense, weight[:, None]),
        ]

    def _weights(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        # A Beta variate is X / (X + Y) of two Gamma variates, the kind that takes a generator.
        shape = torch.full((2, len(images)), self.alpha, device=images.device, dtype=torch.float64)
        # Of a small alpha both may underflow to 0; then one of the two examples wins outright.
        own, other = torch._standard_gamma(shape, generator=generator)  # noqa: SLF001
        sum_ = own + other
        return torch.where(sum_ > 0, own / sum_, 1.0).to(images.dtype)
