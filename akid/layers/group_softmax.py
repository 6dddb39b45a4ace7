"""Group softmax: let the channels of a group compete with each other."""
# Shape legend: N = batch, C = channels, g = channels of a group.

from typing import Any, ClassVar, Final, Unpack

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.layers.inputs import channels_in_groups, groups_of_channels
from akid.layers.options import BlockOptions

INITIAL_TEMPERATURE: Final = 10.0
GROUND_STATE: Final = 1.0


class _ChannelGroups(Block):
    """What both kinds share: the groups, and a temperature if asked for."""

    temperature: nn.Parameter | None

    def __init__(
        self, group_size: int, *, use_temperature: bool, **options: Unpack[BlockOptions]
    ) -> None:
        super().__init__(**options)
        self.group_size = group_size
        self.use_temperature = use_temperature
        self.register_parameter("temperature", None)

    def _setup(self, inputs: Any) -> None:
        x = channels_in_groups(inputs, self.group_size, who=self.label)
        self._allocate_temperature(x)

    def _allocate_temperature(self, like: Tensor) -> None:
        if self.use_temperature:
            self.temperature = nn.Parameter(torch.tensor(INITIAL_TEMPERATURE, device=like.device))

    def _scaled(self, inputs: Tensor) -> Tensor:
        return inputs if self.temperature is None else inputs / self.temperature

    def _groups(self, inputs: Tensor) -> Tensor:
        return self._scaled(torch.unflatten(inputs, 1, (-1, self.group_size)))


class SoftmaxNormalizationLayer(_ChannelGroups):
    """Softmax within each group of neighbouring channels.

    Args:
        group_size: How many channels make a group.
        use_temperature: Whether the values are divided by a learnt temperature, from 10 on.
        options: The arguments of `Block`.

    Attributes:
        temperature: The learnt temperature, one number; None without.

    Shape:
        input: `(N, C, ...)`.
        output: the same; each group sums up to 1.

    Raises:
        ShapeError: When set up, if the channels do not divide into groups.

    >>> SoftmaxNormalizationLayer(group_size=2)(torch.zeros(1, 4))
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """

    NAME: ClassVar[str] = "ngsmax"

    def __init__(
        self,
        group_size: int = 4,
        *,
        use_temperature: bool = False,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(group_size, use_temperature=use_temperature, **options)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.softmax(self._groups(inputs), 2).reshape(inputs.shape)


class GroupSoftmaxLayer(_ChannelGroups):
    """Softmax within each group and its ground state: a group may also be inactive as a whole.

    Each group competes with a constant value of 1, the ground state, whose share is left out of the
    output; so a group sums up to less than 1. A group of one channel is the logistic function.

    Args:
        group_size: How many channels make a group; a list of inputs has a group in each.
        concat_output: Whether to give one tensor; a list with one tensor a group otherwise.
        use_temperature: Whether the values are divided by a learnt temperature, from 10 on.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, ...)`, or a list of such tensors, one a group.
        output: the same; each group sums up to less than 1.

    Raises:
        SetupError: When set up, if the input is an empty list.
        ShapeError: When set up, if the channels do not divide into groups.

    >>> GroupSoftmaxLayer(group_size=2)(torch.ones(1, 4))
    tensor([[0.3333, 0.3333, 0.3333, 0.3333]])
    """

    NAME: ClassVar[str] = "gsmax"
    takes_list: ClassVar[bool] = True

    def __init__(
        self,
        group_size: int = 4,
        *,
        concat_output: bool = True,
        use_temperature: bool = False,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(group_size, use_temperature=use_temperature, **options)
        self.concat_output = concat_output

    def _setup(self, inputs: Any) -> None:
        self._allocate_temperature(groups_of_channels(inputs, self.group_size, who=self.label))

    def forward(self, inputs: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        if isinstance(inputs, Tensor):
            shares = _compete(self._groups(inputs), dim=2)
            return shares.reshape(inputs.shape) if self.concat_output else list(shares.unbind(1))
        active = [_compete(self._scaled(x), dim=1) for x in inputs]
        return torch.cat(active, 1) if self.concat_output else active


def _compete(values: Tensor, *, dim: int) -> Tensor:
    size = values.shape[dim]
    if size == 1:
        return torch.sigmoid(values)
    ground = torch.full_like(values.narrow(dim, 0, 1), GROUND_STATE)
    return torch.softmax(torch.cat([values, ground], dim), dim).narrow(dim, 0, size)
