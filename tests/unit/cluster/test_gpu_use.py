"""What the processes of a trial read of their GPUs, as one."""

from akid.cluster.gpu_use import GpuUse, metrics_of

# What NVML said of two workers' GPUs, as its answers would be over 30 s.
FIRST = GpuUse(
    uuid="GPU-1", peak_memory_bytes=3.0e9, utilization_percent=91.5, energy_joules=9102.7
)
SECOND = GpuUse(
    uuid="GPU-2", peak_memory_bytes=3.4e9, utilization_percent=88.5, energy_joules=8890.3
)


def test_a_gangs_energy_is_added_and_its_peak_is_the_fullest_gpus() -> None:
    """Each worker has read its own GPU."""
    assert metrics_of([FIRST, SECOND]) == {
        "gpu/utilization_percent": 90.0,
        "gpu/energy_joules": 9102.7 + 8890.3,
        "gpu/peak_memory_bytes": 3.4e9,
    }


def test_a_gpu_of_two_workers_counts_once() -> None:
    """Both have read all of its energy, but each only its own memory."""
    both = [FIRST, GpuUse(uuid="GPU-1", peak_memory_bytes=1e9, energy_joules=9000.0)]

    assert metrics_of(both) == {
        "gpu/utilization_percent": 91.5,
        "gpu/energy_joules": 9102.7,
        "gpu/peak_memory_bytes": 4.0e9,
    }


def test_what_nobody_could_read_is_left_out() -> None:
    """A worker that reads nothing hides nothing of another's; without GPUs there is nothing."""
    silent = GpuUse(uuid="GPU-3")

    assert metrics_of([silent, SECOND]) == metrics_of([SECOND])
    assert metrics_of([silent]) == metrics_of([]) == {}
