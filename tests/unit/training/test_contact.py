"""What is taken for the silence of another worker."""

import pytest
import torch
from torch.distributed import DistBackendError

from akid.training.contact import WorkerLostError, contact


@pytest.mark.parametrize(
    "error", [RuntimeError("Connection closed by peer"), DistBackendError("timeout"), ValueError()]
)
def test_what_a_process_group_raises_is_a_lost_worker(error: Exception) -> None:
    """The message says what it was."""
    with pytest.raises(WorkerLostError, match=f"got {type(error).__name__}") as caught, contact():
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_what_this_process_itself_lacks_is_told_as_it_is(kind: type[Exception]) -> None:
    """Its memory, or an error of an earlier kernel that shows only now."""
    with pytest.raises(kind, match="out of memory"), contact():
        raise kind("CUDA error: out of memory")
