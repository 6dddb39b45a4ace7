"""Clock: how long a kid has practised, in steps and epochs (the training step counter)."""

from collections.abc import Mapping

from akid.errors import SetupError


class Clock:
    """Counts training steps and epochs; each kid has its own, and only the kid's loop winds it.

    Attributes:
        step: Parameter updates so far.
        epoch: Full passes over the training data so far.

    >>> clock = Clock()
    >>> clock.tick()
    >>> clock
    Clock(step=1, epoch=0)
    """

    def __init__(self) -> None:
        self.step = 0
        self.epoch = 0

    def tick(self) -> None:
        """Count one step."""
        self.step += 1

    def end_epoch(self) -> None:
        """Count one epoch."""
        self.epoch += 1

    def state_dict(self) -> dict[str, int]:
        """Return both counts, for a checkpoint."""
        return {"step": self.step, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Set both counts to those of `state`.

        Raises:
            SetupError: If `state` does not hold exactly the two counts, as integers from 0.
        """
        counts = dict(state)
        is_count = all(type(count) is int and count >= 0 for count in counts.values())
        if counts.keys() != {"step", "epoch"} or not is_count:
            raise SetupError(
                "Clock: expected a state with the keys 'step' and 'epoch', both integers from 0,"
                f" got state={counts!r}."
            )
        self.step, self.epoch = counts["step"], counts["epoch"]

    def __repr__(self) -> str:
        return f"Clock(step={self.step}, epoch={self.epoch})"
