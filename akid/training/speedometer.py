"""Speedometer: how many samples a second are practised."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final


@final
class Speedometer:
    """Counts samples and the time they take, without the time of its pauses.

    >>> speed = Speedometer()
    >>> speed.count(100)
    >>> speed.lap() > 0
    True
    """

    def __init__(self) -> None:
        self._lap_start_s = self._start_s = time.perf_counter()
        self._lap_samples = self._samples = 0

    def count(self, num_samples: int) -> None:
        """Count samples that were practised."""
        self._lap_samples += num_samples

    def lap(self) -> float:
        """Return the samples a second since the last lap."""
        now_s = time.perf_counter()
        samples_per_s = _rate(self._lap_samples, now_s - self._lap_start_s)
        self._samples += self._lap_samples
        self._lap_samples, self._lap_start_s = 0, now_s
        return samples_per_s

    def total(self) -> float:
        """Return the samples a second since the start."""
        samples = self._samples + self._lap_samples
        return _rate(samples, time.perf_counter() - self._start_s)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out the time inside the `with` block.

        Yields:
            None.
        """
        begin_s = time.perf_counter()
        try:
            yield
        finally:
            pause_s = time.perf_counter() - begin_s
            self._start_s += pause_s
            self._lap_start_s += pause_s


def _rate(samples: int, duration_s: float) -> float:
    return samples / duration_s if duration_s > 0 else 0.0
