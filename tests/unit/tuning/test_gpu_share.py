"""A share that holds: the part of a GPU's memory that a process may take."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from akid.cluster import nvml
from akid.cluster.gpus import VISIBLE, Gpu
from akid.tuning.gpu_share import (
    CONTEXT_BYTES,
    LEAST_BYTES,
    GpuShare,
    allocator_bytes,
    share_fault,
)

GIB = 2**30
# The distances between some of the ten-thousandths of a GPU, in which Ray counts.
SHARES_OF_A_GPU = st.sets(st.integers(1, 9_999), max_size=20).map(
    lambda cuts: [(b - a) / 10_000 for a, b in pairwise(sorted({0, *cuts, 10_000}))]
)


@given(SHARES_OF_A_GPU, st.integers(GIB, 200 * GIB))
@example([0.6, 0.4], 80 * GIB)
@example([0.3333, 0.6667], 80 * GIB)
@example([0.3333] * 3, 80 * GIB)
@example([1 / 16] * 16, 16 * GIB)
def test_all_that_share_a_gpu_fit_with_their_contexts(shares: Sequence[float], memory: int) -> None:
    """However many there are, of whatever size; what is too small does not begin."""
    taken = [
        allocator_bytes(share, memory) + CONTEXT_BYTES
        for share in shares
        if share < 1 and not share_fault(share, memory, name="NVIDIA L4")
    ]

    assert sum(taken) <= memory


@pytest.mark.parametrize("share", [0.25, 0.3, 0.3333, 0.4, 0.6, 0.7, 0.99])
def test_a_share_is_its_part_less_a_context(share: float) -> None:
    """Nothing more, and nothing is left unused."""
    assert allocator_bytes(share, 80 * GIB) == int(share * 80 * GIB) - CONTEXT_BYTES


def test_whole_gpus_are_not_capped() -> None:
    """Nobody else is there."""
    assert (allocator_bytes(1, 2**34), allocator_bytes(4, 2**34)) == (2**34, 2**34)


@pytest.mark.parametrize(("share", "memory"), [(0.1, 2 * GIB), (1 / 16, 8 * GIB), (0.08, 8 * GIB)])
def test_a_share_that_leaves_nothing_says_so(share: float, memory: int) -> None:
    """In place of a lack of memory at once; the share that is advised suffices."""
    assert allocator_bytes(share, memory) < LEAST_BYTES
    fault = share_fault(share, memory, name="NVIDIA L4")

    assert f"got {share:g} of its {memory / GIB:.1f} GiB" in fault
    least = float(fault.partition("at least ")[2].split()[0])
    assert share_fault(least, memory, name="NVIDIA L4") == ""
    assert share_fault(least - 2e-4, memory, name="NVIDIA L4")


@pytest.fixture
def caps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let there be a GPU of 8 GiB that torch can use; return the caps that it is given."""
    found: list[float] = []
    gpu = SimpleNamespace(total_memory=8 * GIB, name="NVIDIA L4", uuid="0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda cap, _: found.append(cap)
    )
    return found


@pytest.mark.parametrize(("share", "is_fault"), [(1.0, False), (0.5, False), (0.0625, True)])
def test_a_process_is_capped_and_told_when_that_leaves_nothing(
    share: float, is_fault: bool, caps: list[float]
) -> None:
    """By the fault, which ends a trial that would compute there."""
    with GpuShare(share) as held:
        assert caps == [allocator_bytes(share, 8 * GIB) / (8 * GIB)]
        assert bool(held.fault) == is_fault


@pytest.mark.parametrize(
    ("cuda", "told"),
    [
        (
            None,
            "built without CUDA, which can't: {reason}. Install a torch that is built for",
        ),
        ("13.0", "built for CUDA 13.0, which can't: {reason}. Update the driver, or install"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_a_fault(
    cuda: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the GPU, torch, the driver, and what to do; all trials of the kind say the same."""

    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver\nis too old.")

    gpu = Gpu(
        index=0, name="NVIDIA L4", uuid="GPU-a", memory_bytes=1, free_bytes=1, driver="470.57"
    )
    broken = replace(gpu, index=1, uuid="", driver="1", fault="GPU is lost")
    monkeypatch.setattr(nvml, "survey", lambda: [broken, gpu])
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", refuse)
    monkeypatch.setattr(torch.version, "cuda", cuda)

    with GpuShare(0.5) as held:
        fault = held.fault
    assert fault.startswith(
        "torch: expected to compute on NVIDIA L4 (driver 470.57), which the trial was given, got"
        f" torch {torch.__version__}, {told.format(reason='The NVIDIA driver is too old')}"
    )
    assert "--gpus-per-trial 0" in fault
    monkeypatch.setattr(nvml, "survey", lambda: [replace(gpu, uuid="b")])
    with GpuShare(1.0) as held:
        assert held.fault == fault
    monkeypatch.setattr(nvml, "survey", lambda: [broken])
    with GpuShare(1.0) as held:
        assert held.fault == "", "such a GPU is no torch's fault"
    with GpuShare(0.0) as held:
        assert held.fault == ""


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA driver")
@pytest.mark.parametrize("share", [0.0, 0.5, 2.0])
def test_logical_gpus_cap_and_tell_nothing(share: float) -> None:
    """A trial that was given a GPU which is only counted goes on as it is."""
    with GpuShare(share) as held:
        assert held.fault == ""
    assert held.uses() == []
