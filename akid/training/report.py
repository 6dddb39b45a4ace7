"""Report: what a practice gave."""

from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = dict[str, float | int]
"""The numbers that were recorded at one step: `step`, `epoch` and the metrics by name."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of `Kid.practice`.

    Attributes:
        final: The last training row and the last validation row, joined.
        best: The validation row with the best selection metric; empty without validation.
        test: The metrics of the best weights on the test split; empty where the source has no such
            split, and without validation.
        steps: Updates of the weights since the very first, also before a resume.
        epochs: Passes over the training data, likewise.
        seconds: Duration of this practice, all included.
        samples_per_s: Training samples a second, without validation and checkpoints.
        rows: How many rows were recorded in this practice.
        unsaved_steps: The steps of this practice whose checkpoints a full disk did not take.
    """

    final: Row
    best: Row
    test: Row
    steps: int
    epochs: int
    seconds: float
    samples_per_s: float
    rows: int
    unsaved_steps: tuple[int, ...] = ()

    @property
    def is_saved(self) -> bool:
        """Whether no checkpoint of the final weights was refused."""
        return self.steps not in self.unsaved_steps
