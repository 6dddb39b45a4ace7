"""Inner product: each output is a weighted sum of all inputs (a dense, fully connected layer)."""
# Shape legend: N = batch, D = all other dimensions flattened.

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.inputs import image, one_tensor
from akid.layers.options import BlockOptions, SynapseOptions
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


class InvariantInnerProductLayer(InnerProductLayer):
    """The inner product of the largest value of each channel, wherever it is in the image.

    Args:
        synapse: The arguments of `SynapseLayer`; `out_channel_num` is required.

    Shape:
        input: `(N, C, H, W)`.
        output: `(N, out_channel_num)`.
        weights: `(out_channel_num, C)`.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 4-D.

    >>> InvariantInnerProductLayer(out_channel_num=10)(torch.zeros(8, 32, 6, 6)).shape
    torch.Size([8, 10])
    """

    def _setup(self, inputs: Any) -> None:
        super()._setup(image(inputs, who=self.label).amax((2, 3)))

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.linear(torch.amax(inputs, (2, 3)), self.weights, self.biases)


class FixedWeightInnerProductLayer(Block):
    """The inner product with weights that are given, and not trained.

    Args:
        weights: One column an output, as in `x @ weights`.
        options: The arguments of `Block`.

    Shape:
        input: `(N, ...)`, with D values a sample.
        output: `(N, K)`.
        weights: `(D, K)`.

    Raises:
        SetupError: If the weights are no matrix.
        ShapeError: When set up, if a sample has another number of values.

    >>> FixedWeightInnerProductLayer(torch.tensor([[1.0], [2.0]]))(torch.tensor([[3.0, 4.0]]))
    tensor([[11.]])
    """

    NAME: ClassVar[str] = "ip"
    weights: Tensor

    def __init__(self, weights: Any, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        matrix = torch.as_tensor(weights, dtype=torch.get_default_dtype()).detach().clone()
        if matrix.dim() != 2:
            raise SetupError(
                f"{self.label}: expected weights of shape (D, K), got {tuple(matrix.shape)}."
            )
        self.register_buffer("weights", matrix)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if x.dim() < 2 or math.prod(x.shape[1:]) != self.weights.shape[0]:
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, ...) with {self.weights.shape[0]}"
                f" values a sample, got shape {tuple(x.shape)}."
            )
        self.weights = self.weights.to(x.device)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1) @ self.weights
