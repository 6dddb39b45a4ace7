"""A share that holds: the part of a GPU's memory that a process may take."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.gpu_share import CONTEXT_BYTES, GpuShare, allocator_fraction


@given(st.integers(1, 16), st.integers(12 * 2**30, 200 * 2**30))
def test_all_that_share_a_gpu_fit_with_their_contexts(n: int, memory: int) -> None:
    """However many there are."""
    each = allocator_fraction(1 / n, memory) * memory + (CONTEXT_BYTES if n > 1 else 0)

    assert n * each <= memory * (1 + 1e-9)


@given(st.floats(0.01, 0.99))
def test_a_share_is_never_more_than_its_part(share: float) -> None:
    """A third of a GPU is not more than a third of its memory."""
    memory = 80 * 2**30

    assert allocator_fraction(share, memory) <= 1 / math.floor(1 / share + 1e-4)


def test_whole_gpus_are_not_capped() -> None:
    """Nobody else is there."""
    assert (allocator_fraction(1, 2**34), allocator_fraction(4, 2**34)) == (1.0, 1.0)


def test_a_gpu_that_is_too_small_for_its_contexts_leaves_nothing() -> None:
    """No negative part."""
    assert allocator_fraction(0.1, 2 * 2**30) == 0.0


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA driver")
@pytest.mark.parametrize("share", [0.0, 0.5, 2.0])
def test_logical_gpus_cap_and_tell_nothing(share: float) -> None:
    """A trial that was given a GPU which is only counted goes on as it is."""
    with GpuShare(share) as held:
        pass
    assert held.uses() == []
