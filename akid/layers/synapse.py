"""Synapse layers: the layers that have weights and, mostly, biases."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from akid.core import initializers, regularizers, seeding
from akid.core.block import Block
from akid.core.regularizers import Regularizer
from akid.errors import SetupError
from akid.layers.options import positive

DEFAULT_INIT_PARA: Final[Mapping[str, Any]] = {"name": "truncated_normal", "stddev": 0.1}
DEFAULT_WD: Final[Mapping[str, Any]] = {"type": "l2", "scale": 5e-4}


class SynapseLayer(Block):
    """The base of layers with weights.

    A subclass calls `_allocate` in its `_setup`. The penalty is no work of `forward`: a brain adds
    it to the loss, or its gradient in closed form to the gradients, from `regularized()`.

    Args:
        out_channel_num: How many channels, or units, the layer gives.
        initial_bias_value: What each bias starts from; None for a layer without biases.
        init_para: The law of the weights, for `akid.core.initializers`.
        wd: The regulariser of the weights, for `akid.core.regularizers`; None for none.
        wd_on_bias: Whether the biases are regularised too.
        max_norm: The largest L2 norm of one output's weights after an update; None for any.
        name: See `Block`.
        inputs: See `Block`.
        bag: See `Block`.

    Attributes:
        weights: The weights, once the layer is set up; the outputs are their first dimension.
        biases: One for each output; None if the layer has none.

    Raises:
        SetupError: If an argument is out of its range, or names something unknown.
    """

    weights: nn.Parameter
    biases: nn.Parameter | None
    _OUTPUT_DIM: int = 0

    def __init__(
        self,
        *,
        out_channel_num: int,
        initial_bias_value: float | None = 0.0,
        init_para: Mapping[str, Any] = DEFAULT_INIT_PARA,
        wd: Mapping[str, Any] | Regularizer | None = DEFAULT_WD,
        wd_on_bias: bool = False,
        max_norm: float | None = None,
        name: str | None = None,
        inputs: Sequence[dict[str, Any]] | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, inputs=inputs, bag=bag)
        self.out_channel_num = positive(out_channel_num, "out_channel_num", who=self.label)
        self.initial_bias_value = initial_bias_value
        initializers.check(init_para, who=self.label)
        self.init_para = dict(init_para)
        self.regularizer = regularizers.from_description(wd, who=self.label)
        self.wd_on_bias = wd_on_bias
        if max_norm is not None and not max_norm > 0:
            raise SetupError(f"{self.label}: expected max_norm above 0 or None, got {max_norm=!r}.")
        self.max_norm = max_norm
        self.register_parameter("weights", None)
        self.register_parameter("biases", None)

    def regularized(self) -> list[tuple[Regularizer, Tensor]]:
        """Give pairs of a regulariser and a parameter that it acts on; none before the set-up."""
        parameters = [self.weights, self.biases] if self.wd_on_bias else [self.weights]
        if self.regularizer is None:
            return []
        return [(self.regularizer, p) for p in parameters if p is not None]

    @torch.no_grad()
    def on_para_update(self) -> None:
        """Project the weights of each output back into the ball of radius `max_norm`."""
        if self.max_norm is not None:
            self.weights.renorm_(2, self._OUTPUT_DIM, self.max_norm)

    def _allocate(self, shape: Sequence[int], *, fan_in: int, fan_out: int, like: Tensor) -> None:
        """Draw the weights, of this shape, and make the biases, on the device of `like`."""
        weights = initializers.initialize(
            self.init_para,
            shape,
            fan_in=fan_in,
            fan_out=fan_out,
            generator=seeding.generator("weights"),
            device=like.device,
            who=self.label,
        )
        self.weights = nn.Parameter(weights)
        if self.initial_bias_value is not None:
            size, value = (self.out_channel_num,), float(self.initial_bias_value)
            self.biases = nn.Parameter(torch.full(size, value, device=like.device))
