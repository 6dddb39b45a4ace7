"""Batch normalisation: bring each channel to mean 0 and variance 1 over the batch."""
# Shape legend: N = batch, C = channels.

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from akid.core.block import Block
from akid.errors import SetupError, ShapeError
from akid.layers.inputs import tensor_of_rank
from akid.layers.options import BlockOptions


class BatchNormalizationLayer(Block):
    """Standardise each channel over the batch, then scale it by gamma and shift it by beta.

    In evaluation it takes running averages instead of the batch's own mean and variance. As
    everywhere in torch, the running variance is the unbiased one.

    Args:
        beta_init: What beta starts from; None for no beta.
        gamma_init: What gamma starts from; 0 or None for no gamma.
        eps: Added to the variance.
        momentum: The weight of a batch in the running averages; None averages all batches alike.
        track_running_stats: Whether there are running averages; without, the batch's own are taken
            in evaluation too.
        fix_gamma: Whether gamma keeps its first value.
        share_gamma: Whether all channels have one gamma.
        options: The arguments of `Block`.

    Attributes:
        gamma: The scale, one for each channel or one for all; None if there is none.
        beta: The shift, one for each channel; None if there is none.
        running_mean: The running average of the channels' means.
        running_var: The running average of the channels' variances.

    Shape:
        input: `(N, C)` or `(N, C, ...)`.
        output: the same.

    Raises:
        SetupError: If eps or momentum is out of its range.
        ShapeError: When set up, if the input has no channels.

    >>> bn = BatchNormalizationLayer(name="bn1")
    >>> bn(torch.tensor([[1.0], [3.0]])).round(decimals=3).flatten().tolist()
    [-1.0, 1.0]
    """

    NAME: ClassVar[str] = "bn"

    gamma: Tensor | None
    beta: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    batches_seen: Tensor | None

    def __init__(
        self,
        *,
        beta_init: float | None = 0.0,
        gamma_init: float | None = 1.0,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        track_running_stats: bool = True,
        fix_gamma: bool = False,
        share_gamma: bool = False,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        if not eps > 0:
            raise SetupError(f"{self.label}: expected eps above 0, got {eps=!r}.")
        if momentum is not None and not 0 <= momentum <= 1:
            raise SetupError(
                f"{self.label}: expected momentum from 0 to 1, or None, got {momentum=!r}."
            )
        self.beta_init = beta_init
        self.gamma_init = gamma_init or None
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        self.fix_gamma = fix_gamma
        self.share_gamma = share_gamma
        self.register_parameter("beta", None)
        if fix_gamma:
            self.register_buffer("gamma", None)
        else:
            self.register_parameter("gamma", None)
        for buffer in ("running_mean", "running_var", "batches_seen"):
            self.register_buffer(buffer, None)

    def _setup(self, inputs: Any) -> None:
        x = tensor_of_rank(inputs, 2, 3, 4, 5, who=self.label)
        channels, device = x.shape[1], x.device
        if not channels:
            raise ShapeError(f"{self.label}: expected channels, got shape {tuple(x.shape)}.")
        if self.beta_init is not None:
            self.beta = nn.Parameter(torch.full((channels,), float(self.beta_init), device=device))
        if self.gamma_init is not None:
            size = 1 if self.share_gamma else channels
            gamma = torch.full((size,), float(self.gamma_init), device=device)
            self.gamma = gamma if self.fix_gamma else nn.Parameter(gamma)
        if self.track_running_stats:
            self.running_mean = torch.zeros(channels, device=device)
            self.running_var = torch.ones(channels, device=device)
            if self.momentum is None:
                self.batches_seen = torch.zeros((), device=device)

    def forward(self, inputs: Tensor) -> Tensor:
        gamma = self.gamma
        if gamma is not None and self.share_gamma:
            gamma = gamma.expand(inputs.shape[1]).contiguous()  # its kernels read plain memory
        learns = self.training
        # One value a channel has no variance: a last batch of one example is normalised as later.
        if learns and inputs.numel() == inputs.shape[1]:
            learns = False
        if learns and self.batches_seen is not None:
            return self._normalized_and_averaged(inputs, gamma, self.batches_seen)
        return functional.batch_norm(
            inputs,
            self.running_mean,
            self.running_var,
            gamma,
            self.beta,
            learns or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )

    def _normalized_and_averaged(
        self, inputs: Tensor, gamma: Tensor | None, batches_seen: Tensor
    ) -> Tensor:
        """Normalise, and let the batch count as much as each one before it."""
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        output = functional.batch_norm(
            inputs, mean, var, gamma, self.beta, training=True, momentum=1.0, eps=self.eps
        )
        # By tensors, and not as a number for torch: `torch.compile` would have to wait for it.
        weight = 1 / batches_seen.add_(1)
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(var, weight)
        return output
