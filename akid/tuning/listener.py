"""Listener: who hears what happens to the trials that are run."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from akid.tuning.execute import Row
from akid.tuning.messages import Close
from akid.tuning.outcome import Outcome


class Listener(Protocol):
    """Who hears what happens; `position` is the trial's place in the list that is run."""

    def on_start(self, position: int) -> None:
        """A trial begins, or begins again."""

    def on_rows(self, position: int, rows: Sequence[Row]) -> None:
        """A trial recorded rows; after a retry some may be those that were told before."""

    def on_place(self, position: int, tags: Mapping[str, str]) -> None:
        """An attempt says where it runs, as tags."""

    def on_note(self, position: int, note: str) -> None:
        """An attempt says what is amiss and does not end it."""

    def on_retry(self, position: int, reason: str) -> None:
        """An attempt failed, and the trial is tried again."""

    def on_finish(self, position: int, outcome: Outcome) -> None:
        """A trial finished."""

    def on_end(self, close: Close) -> None:
        """A trial ended otherwise."""

    def on_abort(self, reason: str) -> None:
        """The sweep ends early."""

    def on_wait(self, what: str) -> None:
        """Nothing begins, because of this; empty when that is over."""
