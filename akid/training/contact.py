"""Contact: what the processes of a team raise when one of them does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from akid.errors import TrainingError


class WorkerLostError(TrainingError):
    """A worker of the team ended without saying why, or the others can't reach it."""


@contextmanager
def contact() -> Iterator[None]:
    """Turn what a process group raises into the team's own error.

    What this process's own GPU raises is left as it is; it may come of an earlier computation.

    Yields:
        None.
    """
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (RuntimeError, ValueError) as error:  # ValueError: the group was taken down meanwhile
        raise WorkerLostError(
            f"data_parallel: expected all workers to answer, got {type(error).__name__}: {error}"
        ) from error
