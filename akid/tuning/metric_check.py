"""Metric check: whether trials record what their results are to be ranked by."""

from collections.abc import Iterable, Mapping
from typing import Final, final

from akid.tuning.results import metric_fault

_KINDS: Final = ("train_", "val_")


@final
class MetricCheck:
    """Tells from the first rows that nothing is recorded under the wanted name.

    A name is looked for in the first row of its kind, training or validation, by how it begins; one
    that begins otherwise once there has been a row of each.

    Args:
        metric: The wanted name; None where it is not asked for.

    >>> check = MetricCheck("val_acc")
    >>> check.fault([{"step": 10, "train_loss": 0.5}]) is None
    True
    >>> check.fault([{"step": 10, "val_accuracy": 0.9}])
    "metric: expected one of val_accuracy, got metric='val_acc'. Did you mean val_accuracy?"
    """

    def __init__(self, metric: str | None) -> None:
        self._metric = metric
        own = [kind for kind in _KINDS if metric is not None and metric.startswith(kind)]
        self._missing = set(own or _KINDS)
        self._names: set[str] = set()

    def fault(self, rows: Iterable[Mapping[str, float]]) -> str | None:
        """Take rows of any trial; return what is wrong with the name, or None so far."""
        for row in rows:
            if self._metric is None or self._metric in row:
                self._metric = None  # there is nothing more to find out
                return None
            kinds = {kind for kind in _KINDS if any(name.startswith(kind) for name in row)}
            if kinds & self._missing:
                self._missing -= kinds
                self._names |= set(row)
                if not self._missing:
                    return metric_fault(self._names, self._metric)
        return None
