"""Failures: their kinds, retries and pauses."""

import pytest

from akid.errors import DivergedError, ExperimentError
from akid.tuning.failure import Failure, RetryPolicy, classify, likeness


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("x"), Failure.BUG),
        (MemoryError(), Failure.MEMORY),
        (DivergedError("NaN"), Failure.DIVERGED),
        (type("OutOfMemoryError", (RuntimeError,), {})(), Failure.MEMORY),
        (type("ActorUnavailableError", (Exception,), {})(), Failure.LOST),
    ],
)
def test_errors_are_told_apart_by_their_classes(error: Exception, failure: Failure) -> None:
    """No import of the vendors' classes is needed."""
    assert classify(error) is failure


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED",
        "NCCL error: unhandled cuda error\nLast error:\nCuda failure 2 'out of memory'",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes.",
    ],
)
def test_a_lack_of_memory_outside_of_torchs_allocator_is_known_by_its_text(text: str) -> None:
    """Its class says only that something went wrong on the device."""
    for kind in (RuntimeError, type("AcceleratorError", (RuntimeError,), {})):
        assert classify(kind(text)) is Failure.MEMORY
    assert classify(ValueError(f"expected no {text}")) is Failure.BUG


def test_another_error_of_the_device_is_a_bug() -> None:
    """Such as a label that is out of its range."""
    assert classify(RuntimeError("CUDA error: device-side assert triggered")) is Failure.BUG


def test_a_cause_decides_where_the_error_says_nothing() -> None:
    """A wrapped error is what it wraps."""
    outer = RuntimeError("wrapped")
    outer.__cause__ = MemoryError()

    assert classify(outer) is Failure.MEMORY


def test_an_error_that_causes_itself_is_no_endless_loop() -> None:
    """Circles among causes end."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert classify(first) is Failure.BUG


def test_equal_faults_are_alike() -> None:
    """Numbers and addresses don't make a fault another one; its text does."""
    one = "Traceback\n  File 'a', line 3\nKeyError: 'x' at 0x7f"
    other = "Traceback\n  File 'b', line 8\nKeyError: 'x' at 0x90\n"

    assert likeness(one) == likeness(other) != likeness("KeyError: 'y' at 0x7f")
    assert likeness("") == ""


def test_retries_and_pauses_have_limits() -> None:
    """What would fail again is not tried again; the pause doubles up to its limit."""
    policy = RetryPolicy(bug=1, first_pause_s=2, longest_pause_s=10)

    assert [policy.retries(failure) for failure in Failure] == [1, 1, 3, 1, 0, 0, 0]
    assert [policy.pause_s(retry) for retry in (0, 1, 2, 3, 5_000)] == [2, 4, 8, 10, 10]


def test_all_wrong_numbers_are_told_at_once() -> None:
    """A policy is checked when it is made."""
    with pytest.raises(ExperimentError) as caught:
        RetryPolicy(lost=-1, stall_s=0)

    assert "expected lost of at least 0, got lost=-1" in str(caught.value)
    assert "expected stall_s above 0 seconds, got stall_s=0" in str(caught.value)


def test_a_lost_process_is_tried_again_three_times_unless_told_otherwise() -> None:
    """An error of the trial's own is not: it would come again."""
    policy = RetryPolicy()

    assert policy.retries(Failure.LOST) == 3
    assert policy.retries(Failure.BUG) == 0
