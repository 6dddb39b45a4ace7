"""Memory layers: treat an input as an earlier one was treated, by the switches kept from it."""
# Shape legend: N = batch, C = channels, H = height, W = width.

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from akid.core.shape import Size
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.options import BlockOptions
from akid.layers.pooling import MaxPoolingLayer


class MemoryReLULayer(ReLULayer):
    """A rectifier that can keep which values it let through, and do the same to later inputs.

    Args:
        keep_memory: Whether to keep the switches from now on; the first call makes them then.
        options: The arguments of `Block`.

    Attributes:
        memory: Which values the last free call let through; None before any.

    Shape:
        input: `(N, ...)`; with kept switches, of their shape, or they are of one sample for all.
        output: the same.

    >>> layer = MemoryReLULayer()
    >>> _ = layer(torch.tensor([1.0, -1.0]))
    >>> layer.set_state(keep_memory=True)
    >>> layer(torch.tensor([-5.0, 7.0]))
    tensor([-5.,  0.])
    """

    NAME: ClassVar[str] = "mrelu"
    memory: Tensor | None

    def __init__(self, *, keep_memory: bool = False, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.keep_memory = keep_memory
        self.register_buffer("memory", None, persistent=False)

    def set_state(self, *, keep_memory: bool) -> None:
        """Keep the switches of the last free call, or let later calls make their own."""
        self.keep_memory = keep_memory

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.keep_memory or self.memory is None:
            self.memory = inputs > 0
        return torch.where(self.memory, inputs, torch.zeros_like(inputs))


class MemoryMaxPoolingLayer(MaxPoolingLayer):
    """Max pooling that can keep where the largest values were, and take later ones from there.

    Args:
        ksize: See `PoolingLayer`.
        strides: See `PoolingLayer`.
        padding: See `PoolingLayer`.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, H, W)`; with kept places, of their shape, or they are of one sample for all.
        output: as of `PoolingLayer`.

    Raises:
        SetupError: When called, if places are to be kept and there are none yet.

    >>> layer = MemoryMaxPoolingLayer(2)
    >>> _ = layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    >>> layer.set_state(keep_memory=True)
    >>> layer(torch.tensor([[[[9.0, 8.0], [7.0, 6.0]]]]))
    tensor([[[[6.]]]])
    """

    NAME: ClassVar[str] = "mpool"

    def __init__(
        self,
        ksize: Size,
        strides: Size | None = None,
        padding: str = "VALID",
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(ksize, strides, padding, get_argmax_idx=True, **options)
        self.keep_memory = False

    def set_state(self, *, keep_memory: bool) -> None:
        """Keep the places of the last free call, or let later calls find their own."""
        self.keep_memory = keep_memory

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.keep_memory:
            return super().forward(inputs)
        if self.in_group_indices is None:
            raise SetupError(
                f"{self.label}: expected a call before set_state(keep_memory=True), got none."
            )
        places = self.in_group_indices.expand(inputs.shape[0], -1, -1, -1)
        return inputs.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)
