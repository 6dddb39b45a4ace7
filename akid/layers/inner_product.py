"""Inner product: each output is a weighted sum of all inputs (a dense, fully connected layer)."""
# Shape legend: N = batch, D = all other dimensions flattened.

import math
from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.errors import ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import SynapseOptions
from akid.layers.synapse import SynapseLayer


class InnerProductLayer(SynapseLayer):
    """The inner product of the inputs, flattened, with each output's weights.

    Args:
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Attributes:
        in_shape: The shape of one input, without the batch, to draw the weights as images.

    Shape:
        input: `(N, ...)`.
        output: `(N, out_channel_num)`.
        weights: `(out_channel_num, D)`.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input has no dimension beside the batch.

    >>> import torch
    >>> InnerProductLayer(out_channel_num=10, name="ip1")(torch.zeros(8, 32, 6, 6)).shape
    torch.Size([8, 10])
    """

    NAME: ClassVar[str] = "ip"

    def __init__(self, **synapse: Unpack[SynapseOptions]) -> None:
        super().__init__(**synapse)
        self.in_shape: tuple[int, ...] = ()

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if x.dim() < 2 or not x[0].numel():
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, ...) with features beside the batch,"
                f" got shape {tuple(x.shape)}."
            )
        self.in_shape = tuple(x.shape[1:])
        size = math.prod(self.in_shape)
        self._allocate(
            (self.out_channel_num, size), fan_in=size, fan_out=self.out_channel_num, like=x
        )

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() > 2:
            inputs = inputs.flatten(1)
        return functional.linear(inputs, self.weights, self.biases)
