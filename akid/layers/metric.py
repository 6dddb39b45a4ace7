"""Metrics: what is worth knowing of a prediction, computed when somebody wants to know it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from akid.core.judge import Judge


class MetricLayer(Judge):
    """The base of loss and evaluation layers: it keeps what the metrics are computed from.

    A subclass calls `_keep` in `forward` and gives `_metrics(*inputs)`, which costs nothing until
    `evals` is read. What is kept is no state: copying and pickling leave it out.
    """

    takes_list: ClassVar[bool] = True
    _seen: Sequence[Tensor] = ()

    def _keep(self, inputs: Sequence[Tensor]) -> None:
        # Past nn.Module's own __setattr__, which costs as much as the loss of a small batch.
        object.__setattr__(self, "_seen", inputs)

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        """Return the metrics of these inputs, which are detached, by name."""
        del inputs
        return {}

    @property
    def seen(self) -> tuple[Tensor, ...]:
        return tuple(tensor.detach() for tensor in self._seen)

    @torch.no_grad()
    def evals_of(self, *seen: Tensor) -> Mapping[str, Tensor]:
        return self._metrics(*seen)

    @property
    def evals(self) -> Mapping[str, Tensor]:
        """The metrics of the last call by name; empty before any."""
        return self.evals_of(*self.seen) if self._seen else {}

    def forget(self) -> None:
        super().forget()
        self._keep(())

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_seen": ()}


def mean_of(is_right: Tensor) -> Tensor:
    """Return which part of these is True, in double precision: 59 of 60 right give 59 / 60."""
    return is_right.to(torch.float64).mean()
