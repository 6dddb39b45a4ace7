"""Activations: functions that act on each value by itself, or along the channels (softmax)."""

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from akid.core.block import Block
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions
from akid.layers.pooling import takes_largest


class Activation(Block):
    """The base of activations: one tensor in, one of the same shape out, never in place."""

    def _setup(self, inputs: Any) -> None:
        one_tensor(inputs, who=self.label)


class ReLULayer(Activation):
    """Rectified linear unit: `max(0, x)`.

    >>> ReLULayer(name="relu1")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    NAME: ClassVar[str] = "relu"

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(inputs)

    def may_run_after(self, reader: Block) -> bool:
        """The largest value of a window, rectified, is the largest of the rectified ones."""
        return type(self) is ReLULayer and takes_largest(reader)


class SigmoidLayer(Activation):
    """Logistic function: `1 / (1 + exp(-x))`."""

    NAME: ClassVar[str] = "sigmoid"

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sigmoid(inputs)


class TanhLayer(Activation):
    """Hyperbolic tangent."""

    NAME: ClassVar[str] = "tanh"

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.tanh(inputs)


class LeakyReLULayer(Activation):
    """Rectified linear unit that lets a part of the negative values through.

    Args:
        negative_slope: That part.
        options: The arguments of `Block`.
    """

    NAME: ClassVar[str] = "lrelu"

    def __init__(self, negative_slope: float = 0.01, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.negative_slope = negative_slope

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.leaky_relu(inputs, self.negative_slope)


class PReLULayer(Activation):
    """Rectified linear unit that learns which part of the negative values to let through.

    Args:
        initial_slope: What that part starts from, for each channel.
        options: The arguments of `Block`.

    Attributes:
        slopes: That part, one for each channel.
    """

    NAME: ClassVar[str] = "prelu"
    slopes: nn.Parameter

    def __init__(self, initial_slope: float = 0.25, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.initial_slope = initial_slope
        self.register_parameter("slopes", None)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        channels = x.shape[1] if x.dim() > 1 else 1
        self.slopes = nn.Parameter(torch.full((channels,), self.initial_slope, device=x.device))

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.prelu(inputs, self.slopes)


class ELULayer(Activation):
    """Exponential linear unit: `x` above 0, `alpha * (exp(x) - 1)` below.

    Args:
        alpha: Minus what it tends to for large negative values.
        options: The arguments of `Block`.
    """

    NAME: ClassVar[str] = "elu"

    def __init__(self, alpha: float = 1.0, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.alpha = alpha

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.elu(inputs, self.alpha)


class SELULayer(Activation):
    """Scaled exponential linear unit, which keeps mean 0 and variance 1 from layer to layer."""

    NAME: ClassVar[str] = "selu"

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.selu(inputs)


class GELULayer(Activation):
    """Gaussian error linear unit: `x` times the normal distribution function of `x`."""

    NAME: ClassVar[str] = "gelu"

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.gelu(inputs)


class SiLULayer(Activation):
    """Sigmoid linear unit ("swish"): `x * sigmoid(x)`."""

    NAME: ClassVar[str] = "silu"

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.silu(inputs)


class SoftplusLayer(Activation):
    """Smooth rectifier: `log(1 + exp(x))`."""

    NAME: ClassVar[str] = "softplus"

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.softplus(inputs)


class SoftmaxLayer(Activation):
    """Positive values that sum up to 1, by default over the channels.

    Args:
        dim: The dimension over which they sum up to 1.
        options: The arguments of `Block`.

    >>> SoftmaxLayer()(torch.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    NAME: ClassVar[str] = "softmax"

    def __init__(self, dim: int = 1, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.dim = dim

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.softmax(inputs, self.dim)
