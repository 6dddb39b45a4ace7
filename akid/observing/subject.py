"""Subject: what is looked at (a kid, as far as an observer needs to know it)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from akid.core.brain import Brain


class Hooked(Protocol):
    """The lists of functions that a subject calls while it practises, each as `f(subject)`."""

    on_train_begin: list[Callable[[Any], None]]
    on_train_log_step: list[Callable[[Any], None]]
    on_val_log_step: list[Callable[[Any], None]]
    on_train_end: list[Callable[[Any], None]]


class Sensing(Protocol):
    """What gives batches `[data, *labels]`."""

    def current_batch(self, *, get_val: bool = False) -> list[Tensor]:
        """Return the current batch of the training or the validation split."""


class Subject(Protocol):
    """A kid, or anything else that has these parts."""

    log_dir: str | Path | None

    @property
    def label(self) -> str:
        """The name."""

    @property
    def brain(self) -> Brain:
        """What is looked into."""

    @property
    def sensor(self) -> Sensing:
        """What it senses by."""

    @property
    def hooks(self) -> Hooked:
        """What it calls while it practises."""

    @property
    def step(self) -> int:
        """How many updates the brain has had."""

    @property
    def last_row(self) -> Mapping[str, float]:
        """The row that was recorded last: `step` and numbers by name."""

    @property
    def rows(self) -> Sequence[Mapping[str, float]]:
        """All rows of the last practice."""

    def setup(self) -> None:
        """Set all parts up, unless they are."""
