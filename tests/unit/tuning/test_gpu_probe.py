"""Measuring what nets take of a GPU, without a cluster."""

import pytest

from akid.testing.tracker_contract import make_trial
from akid.tuning import gpu_probe
from akid.tuning.packing import Peak

PEAK = Peak(peak_bytes=1, memory_bytes=2, gpu_model="NVIDIA L4")


class Cluster:
    """Measures the first net at the first look, and no other one."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.looks = 0

    def wait(self, waiting: list[str], *, timeout: float) -> tuple[list[str], list[str]]:
        assert timeout < 1
        self.looks += 1
        return (waiting[:1], waiting[1:]) if self.looks == 1 else ([], waiting)

    def cancel(self, reference: str, *, force: bool) -> None:
        assert force
        self.cancelled.append(reference)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return a cluster to which no task goes."""
    cluster = Cluster()
    monkeypatch.setattr(gpu_probe, "ray", cluster)
    monkeypatch.setattr(gpu_probe, "_probe", lambda trial: f"task {trial.index}")
    monkeypatch.setattr(gpu_probe, "_answer", lambda _: PEAK)
    return cluster


def test_who_wants_to_end_waits_for_no_measurement(cluster, caplog) -> None:
    """What is done is kept; it was said what is waited for."""
    trials = [make_trial(index) for index in range(3)]

    found = list(gpu_probe.measured(trials, is_to_end=lambda: cluster.looks >= 2))

    assert found == [(trials[0], PEAK)]
    assert cluster.cancelled == ["task 1", "task 2"]
    assert caplog.messages == ["measures how much of a GPU's memory 3 nets take"]


def test_what_no_gpu_measures_is_given_up(cluster, monkeypatch) -> None:
    """With the reason."""
    monkeypatch.setattr(gpu_probe, "_GIVE_UP_S", 0.05)
    trials = [make_trial(index) for index in range(2)]

    found = list(gpu_probe.measured(trials))

    assert found == [(trials[0], PEAK), (trials[1], "no GPU measured it within 0.05 s")]
    assert cluster.cancelled == ["task 1"]
