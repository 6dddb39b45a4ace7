"""Judge: a block that says how good a prediction is (loss and evaluation layers)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from akid.core.block import Block


class Judge(Block):
    """The base of loss layers and evaluation layers; a Brain finds its losses and metrics by it.

    A subclass sets `loss` in `forward`, if it has one, and gives its metrics in `evals`, computed
    when they are read. The loss of a call is no state: copying and pickling leave it out.

    Attributes:
        loss: The loss of the last call, multiplied and with its graph attached; None before any
            call, and always for a block that only evaluates.
    """

    loss: Tensor | None = None

    @property
    def evals(self) -> Mapping[str, Tensor]:
        """The metrics of the last call by name, detached; empty unless the subclass has any."""
        return {}

    def forget(self) -> None:
        """Drop what the last call left; a subclass that keeps more drops that too."""
        self.loss = None

    def probe(self, inputs: Any) -> Any:
        result = super().probe(inputs)
        self.forget()
        return result

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "loss": None}  # type: ignore[no-untyped-call]
