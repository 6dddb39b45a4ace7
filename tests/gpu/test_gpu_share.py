"""A share that holds, on a real GPU."""

import multiprocessing

import pytest
import torch

from akid.cluster import machine
from akid.cluster.gpu_use import metrics_of
from akid.tuning.gpu_share import GpuShare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
_MIB = 2**20


def _take(share: float, mebibytes: int, answers: multiprocessing.Queue) -> None:
    """Take so much memory under a share, and tell what came of it."""
    with GpuShare(share) as held:
        try:
            taken = torch.empty(mebibytes * _MIB, dtype=torch.uint8, device="cuda")
            torch.cuda.synchronize()
            outcome = f"took {taken.numel() // _MIB}"
        except torch.cuda.OutOfMemoryError:
            outcome = "out of memory"
    assert [use.uuid for use in held.uses()] == [gpu.uuid for gpu in machine.local_gpus()]
    answers.put((outcome, dict(metrics_of(held.uses()))))


def _in_a_process(share: float, mebibytes: int) -> tuple[str, dict[str, float]]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_take, args=(share, mebibytes, answers))
    process.start()
    answer = answers.get(timeout=120)
    process.join()
    return answer


def test_a_greedy_trial_fails_itself() -> None:
    """More than its quarter is refused although the GPU is free; less is given."""
    whole = torch.cuda.get_device_properties(0).total_memory // _MIB

    assert _in_a_process(0.25, whole // 3)[0] == "out of memory"
    assert _in_a_process(0.25, whole // 8)[0] == f"took {whole // 8}"


def test_the_peak_is_what_was_taken() -> None:
    """By the driver or by PyTorch; the CUDA context may come on top."""
    _, metrics = _in_a_process(1.0, 2048)

    assert 2048 * _MIB <= metrics["gpu/peak_memory_bytes"] <= 4096 * _MIB
    assert metrics["gpu/energy_joules"] >= 0
    assert 0 <= metrics["gpu/utilization_percent"] <= 100
