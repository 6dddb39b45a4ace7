"""Best: the weights that did best in validation so far (model selection)."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from akid.errors import SetupError
from akid.training.report import Row
from akid.training.schedule import is_better_when_less


@final
class Best:
    """Keeps the best validation row and the weights that gave it.

    Args:
        metric: The key to select by; less is better if its name holds "loss" or "error". None
            means `val_accuracy`, or `val_loss` if there is no such key.

    Attributes:
        row: The best row; empty while there is none.
        waited: How many rows were offered since, none of them better.
    """

    def __init__(self, metric: str | None = None) -> None:
        self.metric = metric
        self.row: Row = {}
        self.waited = 0
        self._weights: list[Tensor] | None = None

    def offer(self, row: Row, brain: nn.Module) -> bool:
        """Keep the row and the brain's weights if they are the best so far; say whether they are.

        The first of equal ones stays; NaN is never best.

        Raises:
            SetupError: If the row has no such metric.
        """
        if not self._is_better(row):
            self.waited += 1
            return False
        self.row, self.waited = dict(row), 0
        self.keep(brain)
        return True

    def keep(self, brain: nn.Module) -> None:
        """Copy the weights that `brain` has now."""
        with torch.no_grad():
            if self._weights is None:
                self._weights = [tensor.detach().clone() for tensor in _tensors(brain).values()]
            else:
                torch._foreach_copy_(self._weights, list(_tensors(brain).values()))

    def keep_state(self, brain: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Copy the weights from a state by name; what is no part of one is taken from `brain`."""
        tensors = _tensors(brain)
        self._weights = [
            state.get(name, tensor).detach().to(tensor.device).clone()
            for name, tensor in tensors.items()
        ]

    def forget(self) -> None:
        """Start anew."""
        self.row, self.waited, self._weights = {}, 0, None

    @contextmanager
    def in_place(self, brain: nn.Module) -> Iterator[None]:
        """Give `brain` the best weights inside the `with` block, if any are kept.

        Yields:
            None.
        """
        if self._weights is None:
            yield
            return
        tensors = list(_tensors(brain).values())
        with torch.no_grad():
            originals = [tensor.detach().clone() for tensor in tensors]
            torch._foreach_copy_(tensors, self._weights)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(tensors, originals)

    def state_dict(self) -> dict[str, Any]:
        """Return the row and the metric's name, for a checkpoint; the weights lie in the best's."""
        return {"metric": self.metric, "row": dict(self.row), "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the weights must follow by `keep` or `keep_state`."""
        self.metric = self.metric or state["metric"]
        self.row, self.waited = dict(state["row"]), state["waited"]

    def _is_better(self, row: Row) -> bool:
        if self.metric is None:
            self.metric = "val_accuracy" if "val_accuracy" in row else "val_loss"
        if self.metric not in row:
            raise SetupError(
                f"Kid: expected best_metric as one of {sorted(row)},"
                f" got best_metric={self.metric!r}."
            )
        sign = -1 if is_better_when_less(self.metric) else 1
        value = sign * row[self.metric]
        return not math.isnan(value) and (not self.row or value > sign * self.row[self.metric])


def _tensors(brain: nn.Module) -> dict[str, Tensor]:
    """Return all that a brain computes with, by name."""
    return {**dict(brain.named_parameters()), **dict(brain.named_buffers())}
