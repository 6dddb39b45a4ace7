"""GPUs: what is visible, and what is said where there are none."""

from pathlib import Path

import pytest

from akid.cluster.gpus import Gpu, local_gpus, visible_gpus


def gpu(index: int) -> Gpu:
    return Gpu(
        index=index,
        name="NVIDIA H200",
        uuid=f"GPU-{index}abc",
        memory_bytes=2**37,
        free_bytes=2**36,
        driver="580.1",
    )


GPUS = [gpu(0), gpu(1), gpu(2)]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2,0", [2, 0]),
        ("1", [1]),
        ("GPU-1abc", [1]),
        ("GPU-2,0", [2, 0]),
        ("GPU-", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("0,9,1", [0]),
        ("0,0", [0]),
        (" 1 , 2 ", [1, 2]),
    ],
)
def test_visible_gpus_follow_cuda(visible: str | None, expected: list[int]) -> None:
    """Numbers and UUIDs choose, in their order, up to the first that names no GPU."""
    assert [gpu.index for gpu in visible_gpus(GPUS, visible)] == expected


def test_a_machine_without_gpus_gives_a_reason() -> None:
    """Planning never fails for want of a driver (the first akid needed CUDA to be imported)."""
    found = local_gpus({"CUDA_VISIBLE_DEVICES": ""})

    assert isinstance(found, str)
    assert found


@pytest.mark.gpu
@pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="no NVIDIA driver")
def test_a_real_gpu_is_listed() -> None:
    """On a machine with GPUs each has a name, a UUID and memory."""
    found = local_gpus({})

    assert isinstance(found, list)
    assert all(g.uuid.startswith("GPU-") and 0 < g.free_bytes <= g.memory_bytes for g in found)
