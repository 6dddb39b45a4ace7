"""What this machine would bring into a cluster of its own."""

import os

import pytest

from akid.cluster import nvml
from akid.cluster.gpus import VISIBLE, Gpu
from akid.cluster.machine import local_capacity, without_faulty_gpus

GPUS = [
    Gpu(index=0, name="NVIDIA L4", uuid="GPU-0", memory_bytes=1, free_bytes=1, driver="570"),
    Gpu(index=1, name="unknown", uuid="", memory_bytes=0, free_bytes=0, driver="570", fault="lost"),
    Gpu(index=2, name="NVIDIA L4", uuid="GPU-2", memory_bytes=1, free_bytes=1, driver="570"),
]


@pytest.fixture
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no GPU be chosen by hand."""
    monkeypatch.delenv(VISIBLE, raising=False)


def test_it_has_the_cpus_that_this_process_may_use() -> None:
    """One node."""
    (node,) = local_capacity(num_gpus=0).nodes

    assert (node.cpus, node.gpus) == (len(os.sched_getaffinity(0)), 0)


def test_given_numbers_win() -> None:
    """Logical CPUs and GPUs need not exist."""
    capacity = local_capacity(num_cpus=64, num_gpus=8)

    assert (capacity.cpus, capacity.gpus) == (64, 8)


@pytest.mark.usefixtures("no_choice")
def test_processes_are_started_without_a_lost_gpu(monkeypatch) -> None:
    """As many as are counted; the third is not taken for the second."""
    monkeypatch.setattr(nvml, "survey", lambda: GPUS)

    assert local_capacity().gpus == 2
    with without_faulty_gpus():
        assert os.environ[VISIBLE] == "GPU-0,GPU-2"
        assert local_capacity().gpus == 2
    assert VISIBLE not in os.environ


def test_a_lost_gpu_among_those_that_were_chosen_is_left_out(monkeypatch) -> None:
    """The choice is there again afterwards."""
    monkeypatch.setattr(nvml, "survey", lambda: GPUS)
    monkeypatch.setenv(VISIBLE, "2,1")

    with without_faulty_gpus():
        assert os.environ[VISIBLE] == "GPU-2"
    assert os.environ[VISIBLE] == "2,1"


@pytest.mark.usefixtures("no_choice")
@pytest.mark.parametrize("found", [GPUS[::2], [GPUS[1]], "no NVIDIA driver answers"])
def test_where_gpus_are_all_alike_nothing_is_hidden(monkeypatch, found) -> None:
    """The numbers are then those that a user knows; a model that NVML can't ask can be used."""
    monkeypatch.setattr(nvml, "survey", lambda: found)

    with without_faulty_gpus():
        assert VISIBLE not in os.environ
