"""Cores: how many of them it pays to let work on a batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

VALUES_PER_CORE: Final = 500_000


@contextmanager
def few_cores(num_values: int) -> Iterator[None]:
    """Let torch use no more of this thread's cores than pay for moving so many values.

    A small batch is made sooner than several cores have met, and where other programs use them,
    waiting for each other takes a hundred times as long as the work.

    Args:
        num_values: How many values are read or written.

    Yields:
        None.
    """
    num_cores = torch.get_num_threads()
    torch.set_num_threads(max(1, min(num_cores, num_values // VALUES_PER_CORE)))
    try:
        yield
    finally:
        torch.set_num_threads(num_cores)
