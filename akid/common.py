"""The clock for a training loop of one's own (the documentation's "kick start clock")."""

from akid.core.clock import Clock


def init() -> Clock:
    """Start a clock and return it; a `Kid` starts its own.

    Each call gives a fresh one, since clocks are not shared.

    >>> init()
    Clock(step=0, epoch=0)
    """
    return Clock()
