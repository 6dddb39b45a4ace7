"""Normalisation of each sample by itself: layer, group, L2 and local response normalisation."""
# Shape legend: N = batch, C = channels, D = features.

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


class LayerNormalizationLayer(Block):
    """Bring the last dimensions of each sample to mean 0 and variance 1, then scale and shift.

    Args:
        dim_num: How many dimensions, counted from the last, are standardised together.
        eps: Added to the variance.
        options: The arguments of `Block`.

    Attributes:
        gamma: The scale, of the shape of these dimensions, from 1 on.
        beta: The shift, likewise, from 0 on.

    Shape:
        input: `(N, ..., D)`.
        output: the same.

    Raises:
        ShapeError: When set up, if there are not so many dimensions beside the batch.

    >>> LayerNormalizationLayer()(torch.tensor([[1.0, 3.0]])).detach().round(decimals=3)
    tensor([[-1.,  1.]])
    """

    NAME: ClassVar[str] = "ln"
    gamma: nn.Parameter
    beta: nn.Parameter

    def __init__(
        self, *, dim_num: int = 1, eps: float = 1e-5, **options: Unpack[BlockOptions]
    ) -> None:
        super().__init__(**options)
        self.dim_num = dim_num
        self.eps = eps
        self.register_parameter("gamma", None)
        self.register_parameter("beta", None)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if not 1 <= self.dim_num < x.dim():
            raise ShapeError(
                f"{self.label}: expected an input of more dimensions than"
                f" dim_num={self.dim_num!r} (1 or more), got shape {tuple(x.shape)}."
            )
        shape = x.shape[-self.dim_num :]
        self.gamma = nn.Parameter(torch.ones(shape, device=x.device))
        self.beta = nn.Parameter(torch.zeros(shape, device=x.device))

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.layer_norm(inputs, self.gamma.shape, self.gamma, self.beta, self.eps)


class GroupNormalizationLayer(Block):
    """Bring each group of channels of each sample to mean 0 and variance 1, then scale and shift.

    Args:
        group_num: In how many groups the channels are split.
        eps: Added to the variance.
        options: The arguments of `Block`.

    Attributes:
        gamma: The scale, one for each channel, from 1 on.
        beta: The shift, likewise, from 0 on.

    Shape:
        input: `(N, C, ...)`.
        output: the same.

    Raises:
        ShapeError: When set up, if the channels do not divide into the groups.

    >>> GroupNormalizationLayer(2)(torch.rand(4, 6, 5, 5)).shape
    torch.Size([4, 6, 5, 5])
    """

    NAME: ClassVar[str] = "gn"
    gamma: nn.Parameter
    beta: nn.Parameter

    def __init__(
        self, group_num: int = 32, *, eps: float = 1e-5, **options: Unpack[BlockOptions]
    ) -> None:
        super().__init__(**options)
        self.group_num = group_num
        self.eps = eps
        self.register_parameter("gamma", None)
        self.register_parameter("beta", None)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if self.group_num < 1 or x.dim() < 2 or x.shape[1] % self.group_num:
            raise ShapeError(
                f"{self.label}: expected an input of shape (N, C, ...) with C a multiple of"
                f" group_num={self.group_num!r}, got shape {tuple(x.shape)}."
            )
        self.gamma = nn.Parameter(torch.ones(x.shape[1], device=x.device))
        self.beta = nn.Parameter(torch.zeros(x.shape[1], device=x.device))

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.group_norm(inputs, self.group_num, self.gamma, self.beta, self.eps)


class L2NormalizationLayer(Block):
    """Scale the channels of each sample, at each place, to length 1.

    Args:
        eps: The least length by which is divided.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, ...)`.
        output: the same.

    Raises:
        ShapeError: When set up, if the input has no channels.

    >>> L2NormalizationLayer()(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """

    NAME: ClassVar[str] = "l2norm"

    def __init__(self, *, eps: float = 1e-12, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.eps = eps

    def _setup(self, inputs: Any) -> None:
        _check_channels(inputs, who=self.label)

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.normalize(inputs, dim=1, eps=self.eps)


class LRNLayer(Block):
    """Local response normalisation: divide each value by the activity of its neighbour channels.

    `x / (bias + alpha * sum of squares over 2 * depth_radius + 1 channels) ** beta`, where torch's
    own function would divide alpha by the number of channels. The sums are one product with a band
    matrix, which takes a fraction of the time of torch's pooling over channels.

    Args:
        depth_radius: How many channels on each side are neighbours.
        bias: Added to the activity.
        alpha: What the sum of squares is multiplied by.
        beta: The power.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, ...)`, with at least three dimensions.
        output: the same.

    Raises:
        SetupError: If `depth_radius` is negative.
        ShapeError: When set up, if the input has fewer dimensions.

    >>> LRNLayer(depth_radius=0, alpha=1.0, beta=1.0)(torch.ones(1, 2, 1))
    tensor([[[0.5000],
             [0.5000]]])
    """

    NAME: ClassVar[str] = "lrn"
    _band: Tensor
    _offset: Tensor

    def __init__(
        self,
        *,
        depth_radius: int = 4,
        bias: float = 1.0,
        alpha: float = 0.001 / 9,
        beta: float = 0.75,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if depth_radius < 0:
            raise SetupError(
                f"{self.label}: expected depth_radius of 0 or more, got {depth_radius=!r}."
            )
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta
        self.register_buffer("_band", None, persistent=False)
        self.register_buffer("_offset", None, persistent=False)

    def _setup(self, inputs: Any) -> None:
        x = _check_channels(inputs, who=self.label, at_least=3)
        channels = torch.arange(x.shape[1], device=x.device)
        distances = (channels[:, None] - channels).abs()
        self._band = (distances <= self.depth_radius).to(torch.get_default_dtype()) * self.alpha
        self._offset = torch.full((1, 1, 1), float(self.bias), device=x.device)

    def forward(self, inputs: Tensor) -> Tensor:
        kind = inputs.device.type
        if kind == "meta" or not torch.is_autocast_enabled(kind):
            return self._normalize(inputs)
        with torch.autocast(kind, enabled=False):  # a sum of squares needs its digits
            return self._normalize(inputs.float()).to(inputs.dtype)

    def _normalize(self, x: Tensor) -> Tensor:
        band = self._band.expand(x.shape[0], -1, -1)
        activity = torch.baddbmm(self._offset, band, x.square().flatten(2))
        return x * activity.pow(-self.beta).view(x.shape)


def _check_channels(inputs: Any, *, who: str, at_least: int = 2) -> Tensor:
    x = one_tensor(inputs, who=who)
    if x.dim() < at_least:
        raise ShapeError(
            f"{who}: expected an input of shape (N, C, ...) with {at_least} dimensions or more,"
            f" got shape {tuple(x.shape)}."
        )
    return x
