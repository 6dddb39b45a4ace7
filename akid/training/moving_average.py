"""Moving average: weights averaged over the last steps; they often do better than the last ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, final

import torch
from torch import Tensor


@final
class MovingAverage:
    """Keeps an exponential moving average of parameters.

    Args:
        parameters: The parameters by name.
        decay: The part of the old average that stays in each step, once enough steps were made.
    """

    def __init__(self, parameters: Mapping[str, Tensor], *, decay: float) -> None:
        self._names: Final = list(parameters)
        self._parameters: Final = list(parameters.values())
        self._averages: Final = [tensor.detach().clone() for tensor in self._parameters]
        self._decay: Final = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the parameters in; in the first steps the past counts less, as it is the start."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the parameters the averages' values inside the `with` block.

        Yields:
            None.
        """
        originals = [tensor.detach().clone() for tensor in self._parameters]
        self._set(self._averages)
        try:
            yield
        finally:
            self._set(originals)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(self._parameters, values)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages by parameter name."""
        return dict(zip(self._names, self._averages, strict=True))

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state_dict` gave."""
        torch._foreach_copy_(self._averages, [state[name] for name in self._names])
