"""Dropout: while training, put a random part of the values to zero."""

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


@torch.library.custom_op("akid::keep_mask", mutates_args=("state",))
def keep_mask(state: Tensor, like: Tensor, keep_prob: float) -> Tensor:
    """Draw ones, each with a probability, and zeros; the generator's state goes on.

    For `torch.compile` it is one operation that changes a tensor. A `torch.Generator` it can't take
    into its graph.

    Args:
        state: What `torch.Generator.get_state` gives for the device of `like`.
        like: The mask gets its shape, type, device and layout.
        keep_prob: The probability of a one.
    """
    generator = torch.Generator(like.device)
    generator.set_state(state)
    mask = torch.empty_like(like).bernoulli_(keep_prob, generator=generator)
    state.copy_(generator.get_state())
    return mask


@keep_mask.register_fake
def _(state: Tensor, like: Tensor, keep_prob: float) -> Tensor:
    del state, keep_prob
    return torch.empty_like(like)


class DropoutLayer(Block):
    """Keep each value with a probability, scaled up so that the mean stays; identity in evaluation.

    It draws from a generator of its own, whose state is part of `state_dict`: a run that is resumed
    draws what the undisturbed run would have drawn, compiled or not.

    Args:
        keep_prob: The probability to keep a value, above 0 and at most 1.
        options: The arguments of `Block`.

    Shape:
        input: any.
        output: the same; in evaluation it is the input itself.

    Raises:
        SetupError: If `keep_prob` is out of its range.

    >>> DropoutLayer(keep_prob=0.5, name="dropout1").eval()(torch.ones(2))
    tensor([1., 1.])
    """

    NAME: ClassVar[str] = "dropout"

    def __init__(self, keep_prob: float = 0.5, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        if not 0 < keep_prob <= 1:
            raise SetupError(
                f"{self.label}: expected keep_prob above 0 and at most 1 (the part that is kept),"
                f" got {keep_prob=!r}."
            )
        self.keep_prob = keep_prob
        self._state: Tensor | None = None
        self._seed = 0
        self._device_type = ""

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        self._go_on_from(seeding.generator("dropout", device=x.device))

    def reseed(self, seed: int, *, device: torch.device) -> None:
        self._go_on_from(torch.Generator(device=device).manual_seed(seed))

    def _go_on_from(self, generator: torch.Generator) -> None:
        self._state, self._seed = generator.get_state(), generator.initial_seed()
        self._device_type = generator.device.type

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.keep_prob == 1:
            return inputs
        mask: Tensor = keep_mask(self._state_on(inputs.device), inputs.detach(), self.keep_prob)
        return inputs * mask.mul_(1 / self.keep_prob)

    def _state_on(self, device: torch.device) -> Tensor:
        """Return the generator's state; on another kind of device, it starts from its seed."""
        if device.type not in {self._device_type, "meta"}:
            self._go_on_from(torch.Generator(device=device).manual_seed(self._seed))
        assert self._state is not None
        return self._state

    def get_extra_state(self) -> dict[str, Any]:
        """Return the generator's state, for `state_dict`."""
        if self._state is None:
            return {}
        return {"device": self._device_type, "state": self._state.clone()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a generator's state, as soon as the inputs lie on its kind of device."""
        if self._state is not None and state:
            self._state, self._device_type = state["state"].cpu().clone(), state["device"]
