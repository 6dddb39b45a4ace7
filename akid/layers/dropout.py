"""Dropout: while training, put a random part of the values to zero."""

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions


class DropoutLayer(Block):
    """Keep each value with a probability, scaled up so that the mean stays; identity in evaluation.

    It draws from a generator of its own, whose state is part of `state_dict`: a run that is resumed
    draws what the undisturbed run would have drawn. `torch.compile` can't take such a generator
    into its graph: while training it cuts the graph here, and `fullgraph=True` is torch's error.

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
        self._generator: torch.Generator | None = None

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        self._generator = seeding.generator("dropout", device=x.device)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.keep_prob == 1:
            return inputs
        generator = self._generator_on(inputs.device)
        mask = torch.empty_like(inputs).bernoulli_(self.keep_prob, generator=generator)
        return inputs * mask.mul_(1 / self.keep_prob)

    def _generator_on(self, device: torch.device) -> torch.Generator:
        """Return the generator, after a move of the layer one on the new device.

        It goes on from the old one's state, or, on another kind of device, starts from its seed.
        """
        old = self._generator
        assert old is not None
        if old.device == device:
            return old
        new = torch.Generator(device=device).manual_seed(old.initial_seed())
        if old.device.type == device.type:
            new.set_state(old.get_state())
        self._generator = new
        return new

    def get_extra_state(self) -> dict[str, Any]:
        """Return the generator's state, for `state_dict`."""
        if self._generator is None:
            return {}
        return {"device": self._generator.device.type, "state": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a generator's state; one of another kind of device can't be taken over."""
        if self._generator is not None and state.get("device") == self._generator.device.type:
            self._generator.set_state(state["state"].cpu())
