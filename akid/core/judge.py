"""Judge: a block that says how good a prediction is (loss and evaluation layers)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

from torch import Tensor

from akid.core.block import Block

Metric: TypeAlias = tuple[str, str]
"""The path of a judge, and the name that it has for the metric."""

_T = TypeVar("_T")


class Judge(Block):
    """The base of loss layers and evaluation layers; a Brain finds its losses and metrics by it.

    A subclass sets `loss` in `forward`, if it has one, and gives its metrics in `evals`, computed
    when they are read. The loss of a call is no state: copying and pickling leave it out.

    Attributes:
        loss: The loss of the last call, multiplied and with its graph attached; None before any
            call, and always for a block that only evaluates.
    """

    is_pooled: ClassVar[bool] = False
    """Whether the metrics of many batches are computed of all their samples together, because they
    are no means of the batches' metrics. Such a judge has `seen` and `evals_of`."""

    loss: Tensor | None = None

    @property
    def seen(self) -> tuple[Tensor, ...]:
        """What the metrics of the last call are computed of, detached, the samples first."""
        return ()

    def evals_of(self, *seen: Tensor) -> Mapping[str, Tensor]:
        """Return the metrics of what was seen in one call, or in several, one after another."""
        del seen
        return {}

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


def named(metrics: Mapping[Metric, _T]) -> dict[str, _T]:
    """Return metrics by their names; one that several judges give has the judge's path before it.

    >>> named({("loss1", "accuracy"): 0.5, ("loss2", "accuracy"): 0.7, ("loss1", "auc"): 0.9})
    {'loss1/accuracy': 0.5, 'loss2/accuracy': 0.7, 'auc': 0.9}
    """
    counts = Counter(name for _, name in metrics)
    return {
        name if counts[name] == 1 else f"{path}/{name}": value
        for (path, name), value in metrics.items()
    }
