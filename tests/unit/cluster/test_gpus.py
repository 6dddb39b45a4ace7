"""GPUs: what is visible, and what is said where there are none."""

from dataclasses import replace

import pytest

from akid.cluster.gpus import Gpu, seen_gpus, visible_gpus


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


def test_a_part_that_mig_has_cut_is_named_by_its_uuid() -> None:
    """It is listed as its GPU with the part's UUID."""
    cut = replace(gpu(0), instances=("MIG-11", "MIG-22"))

    assert [g.uuid for g in visible_gpus([cut], "MIG-22")] == ["MIG-22"]
    assert visible_gpus([cut], "MIG-") == []


def test_why_a_process_sees_no_gpu_is_told() -> None:
    """By the driver's words, by the variable, or because there is none."""
    assert seen_gpus("no driver", None) == "no driver"
    assert seen_gpus(GPUS, "") == "CUDA_VISIBLE_DEVICES='' hides all 3 GPUs of this machine"
    assert seen_gpus([], None) == "NVML finds no GPU on this machine"
    assert seen_gpus(GPUS, "1") == [GPUS[1]]
