"""TensorBoard: summaries as event files (an option: needs tensorboardX)."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, final

from akid.errors import SetupError
from akid.observing.distribution import Distribution
from akid.observing.subject import Subject
from akid.observing.summaries import Record


@final
class EventFile:
    """Writes each record of summaries, as it comes, to an event file that TensorBoard reads.

    Append it to `Summaries.listeners`. The file is opened with the first record.

    Args:
        folder: Tells where the file shall lie, `events.out.tfevents...`, when it is opened.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self.folder = folder
        self._writer: Any = None

    def __call__(self, record: Record) -> None:
        """Write one record.

        Raises:
            SetupError: If tensorboardX is not installed.
        """
        if self._writer is None:
            self._writer = _open(self.folder())
        for tag, value in record.scalars.items():
            self._writer.add_scalar(tag, value, record.step)
        for tag, spread in record.histograms.items():
            if spread.num:
                self._add_histogram(tag, spread, record.step)
        self._writer.flush()

    def close(self, kid: Subject | None = None) -> None:  # noqa: ARG002 - so that it is a hook
        """Close the file; a later record opens another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add_histogram(self, tag: str, spread: Distribution, step: int) -> None:
        # A sample was counted: scaled up to all values, whose number TensorBoard is told too.
        scale = spread.num / sum(spread.counts)
        self._writer.add_histogram_raw(
            tag,
            min=spread.percentiles[-1],
            max=spread.percentiles[0],
            num=spread.num,
            sum=spread.mean * spread.num,
            sum_squares=spread.mean_square * spread.num,
            bucket_limits=_increasing(spread.edges[1:]),
            bucket_counts=[count * scale for count in spread.counts],
            global_step=step,
        )


def _increasing(limits: tuple[float, ...]) -> list[float]:
    """Make equal limits, those of a constant, differ by the least."""
    found: list[float] = []
    for limit in limits:
        least = math.nextafter(found[-1], math.inf) if found else limit
        found.append(max(limit, least))
    return found


def _open(folder: Path) -> Any:
    try:
        module = import_module("tensorboardX")
    except ImportError as error:
        raise SetupError(
            "EventFile: expected the package tensorboardX for TensorBoard's event files, got none."
            " Install it (ray[tune] brings it), or record without event files."
        ) from error
    return module.SummaryWriter(str(folder))
