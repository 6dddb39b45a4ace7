"""How many trials share a GPU."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.demand import NOTHING, Demand
from akid.cluster.gpus import Gpu
from akid.cluster.instance_numbers import AUTO, requests_for
from akid.cluster.inventory import NodeInventory
from akid.cluster.resources import ClusterCapacity, Node
from akid.tuning.experiment import Experiment
from akid.tuning.gpu_share import LEAST_BYTES, allocator_bytes, share_fault
from akid.tuning.packing import (
    FILE_NAME,
    MARGIN,
    Peak,
    Peaks,
    model_of,
    share_of,
    suitable_gpus,
    trials_on_a_gpu,
)
from akid.tuning.plan import Plan, make_plan
from akid.tuning.template import Template

GIB = 2**30
BOX = ClusterCapacity(nodes=(Node(cpus=64, gpus=8),))


def gpu(name: str, gib: int) -> Gpu:
    memory = gib * GIB
    return Gpu(index=0, name=name, uuid="", memory_bytes=memory, free_bytes=memory, driver="570.86")


A100 = gpu("NVIDIA A100", 80)
T4 = gpu("Tesla T4", 16)


def peak_of(gib: float, on: Gpu = A100) -> Peak:
    return Peak(peak_bytes=int(gib * GIB), memory_bytes=on.memory_bytes, gpu_model=model_of(on))


def planned(
    capacity: ClusterCapacity = BOX,
    gpus: object = AUTO,
    cpus: float = 1,
    widths: Sequence[float] = (8, 512),
    demand: Demand = NOTHING,
) -> Plan:
    """Return the plan of two nets by two rates by two batch sizes."""
    experiment = Experiment(
        name="e",
        template=Template(
            "def setup():\n    return {{ net_paras['width'] }}, {{ opt_paras['lr'] }},"
            " {{ opt_paras['batch'] }}\n",
            name="e",
        ),
        net_paras_list=[{"width": width} for width in widths],
        opt_paras_list=[{"lr": lr, "batch": b} for lr in (0.1, 0.2) for b in (16, 64)],
        gpu_num_per_instance=gpus,
        cpu_num_per_instance=cpus,
    )
    requests = requests_for(gpus, cpus, experiment.n_instances, capacity, demand=demand)
    return make_plan(experiment, requests, {})


@given(st.integers(1, 200 * GIB), st.integers(8 * GIB, 200 * GIB), st.integers(1, 32))
def test_a_packing_is_the_largest_that_fits(peak: int, memory: int, most: int) -> None:
    """All trials fit with their margin and contexts, and one more would not."""

    def fits(n: int) -> bool:
        return max(peak * (1 + MARGIN), LEAST_BYTES) <= allocator_bytes(share_of(n), memory)

    n = trials_on_a_gpu(peak, memory, most)

    assert 1 <= n <= min(most, 16)
    assert n == 1 or fits(n)
    assert not share_fault(share_of(n), memory, name="NVIDIA L4")
    assert n == min(most, 16) or not fits(n + 1)


@pytest.mark.parametrize(
    ("peak_gib", "memory_gib", "n"),
    [
        (0.4, 16, 14),
        (0.01, 8, 11),
        (1.9, 16, 5),
        (7.0, 16, 1),
        (20.0, 16, 1),
        (30.0, 140, 3),
        (0.9, 140, 16),
    ],
)
def test_recorded_measurements(peak_gib: float, memory_gib: float, n: int) -> None:
    """Small nets, large ones, and one that does not fit at all, on a small and on a large GPU."""
    assert trials_on_a_gpu(peak_gib * GIB, int(memory_gib * GIB)) == n


@given(st.integers(1, 16))
def test_shares_of_a_gpu_never_exceed_it(n: int) -> None:
    """As Ray counts them, in ten-thousandths, so many and no more have room."""
    assert n * share_of(n) <= 1
    assert (n + 1) * share_of(n) > 1


def test_each_net_is_measured_once(tmp_path) -> None:
    """Rates do not change what a net takes; widths and batch sizes do."""
    missing = Peaks(tmp_path).missing(planned(), [A100])

    assert [(t.net_paras["width"], t.opt_paras["batch"]) for t in missing] == [
        (512, 64), (8, 64), (512, 16), (8, 16),
    ]  # fmt: skip
    assert {t.opt_paras["lr"] for t in missing} == {0.1}


def test_nets_that_differ_in_a_float_are_two(tmp_path) -> None:
    """It may be a width; the rates are the optimiser's."""
    missing = Peaks(tmp_path).missing(planned(widths=(0.25, 8.0)), [A100])

    assert {t.net_paras["width"] for t in missing} == {0.25, 8.0}
    assert {t.opt_paras["lr"] for t in missing} == {0.1}


def test_what_was_measured_is_remembered_and_decides(tmp_path) -> None:
    """Also by the next sweep; what has not been measured has a GPU for itself."""
    plan = planned()
    peaks = Peaks(tmp_path)
    for trial in peaks.missing(plan, [A100])[:3]:
        peaks.add(plan, trial, peak_of(8 if trial.net_paras["width"] == 512 else 1))

    packed = Peaks(tmp_path).packed(planned(), BOX, [A100])

    assert len(Peaks(tmp_path).missing(plan, [A100])) == 1
    shares = {(t.net_paras["width"], t.opt_paras["batch"]): t.gpus for t in packed.to_run}
    assert shares == {
        (512, 16): share_of(7),
        (512, 64): share_of(7),
        (8, 64): share_of(8),
        (8, 16): 1,
    }


def test_another_model_of_gpu_is_measured_anew(tmp_path) -> None:
    """What an experiment that has moved to smaller GPUs has measured on large ones says nothing."""
    plan, peaks = planned(), Peaks(tmp_path)
    for trial in peaks.missing(plan, [A100]):
        peaks.add(plan, trial, peak_of(8, on=A100))

    assert {trial.gpus for trial in peaks.packed(plan, BOX, [T4]).to_run} == {1}
    assert len(peaks.missing(plan, [T4])) == 4
    assert peaks.missing(plan, [A100]) == []


def test_the_smallest_gpu_of_a_mixed_cluster_decides(tmp_path) -> None:
    """A trial may come to lie on any of them, and may need what it needed anywhere."""
    plan, peaks = planned(), Peaks(tmp_path)
    for trial in peaks.missing(plan, [A100, T4]):
        peaks.add(plan, trial, peak_of(4, on=A100))

    assert peaks.missing(plan, [T4, A100]) == []
    assert {trial.gpus for trial in peaks.packed(plan, BOX, [A100, T4]).to_run} == {share_of(2)}
    assert {trial.gpus for trial in peaks.packed(plan, BOX, [A100]).to_run} == {share_of(8)}
    for trial in plan.to_run:
        peaks.add(plan, trial, peak_of(7, on=T4))
    assert {trial.gpus for trial in peaks.packed(plan, BOX, [A100, T4]).to_run} == {1}


def test_gpus_on_which_no_trial_can_lie_do_not_count() -> None:
    """Those of other nodes than are asked for, of nodes that do not answer, and broken ones."""
    nodes = [
        Node(cpus=8, gpus=1, name=name, labels={"region": region})
        for name, region in (("a", "eu"), ("b", "us"), ("c", "eu"), ("d", "eu"))
    ]
    capacity = ClusterCapacity(nodes=(*nodes, Node(cpus=0.5, gpus=1, labels={"region": "eu"})))
    inventory = [
        NodeInventory(name="a", gpus=[A100, replace(T4, fault="GPU is lost")]),
        NodeInventory(name="b", gpus=[T4]),
        NodeInventory(name="c", gpus="it gave no answer"),
        NodeInventory(name="", gpus=[T4]),
    ]
    plan = planned(capacity, demand=Demand.of({}, None, {"region": "eu"}))

    assert suitable_gpus(plan, capacity, inventory) == [A100]
    assert suitable_gpus(planned(gpus=1), BOX, inventory) == []


@pytest.mark.parametrize("text", ["", '{"a": {"peak_bytes": 1, "memo', "[]", '{"a": {"old": 1}}'])
def test_peaks_that_cannot_be_read_are_measured_again(tmp_path, text: str, caplog) -> None:
    """A file that broke off, or another akid's, ends no sweep."""
    (tmp_path / FILE_NAME).write_text(text)
    plan, peaks = planned(), Peaks(tmp_path)

    assert "can't be read, so nets are measured again" in caplog.text
    trial = peaks.missing(plan, [A100])[0]
    peaks.add(plan, trial, peak_of(1))
    assert len(Peaks(tmp_path).missing(plan, [A100])) == 3


def test_what_is_written_replaces_the_file_at_once(tmp_path, monkeypatch) -> None:
    """A driver that is killed while it writes leaves the peaks that there were."""
    plan, peaks = planned(), Peaks(tmp_path)
    first, second = peaks.missing(plan, [A100])[:2]
    peaks.add(plan, first, peak_of(1))

    def write_a_part(file: Path, text: str, **_: str) -> None:
        file.write_bytes(text[:20].encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", write_a_part)
    with pytest.raises(KeyboardInterrupt):
        peaks.add(plan, second, peak_of(1))

    assert len(Peaks(tmp_path).missing(plan, [A100])) == 3


def test_cpus_limit_the_packing(tmp_path) -> None:
    """Four CPUs a trial leave room for two trials on each of eight GPUs."""
    plan, peaks = planned(cpus=4), Peaks(tmp_path)
    for trial in peaks.missing(plan, [A100]):
        peaks.add(plan, trial, peak_of(1))

    assert {trial.gpus for trial in peaks.packed(plan, BOX, [A100]).to_run} == {0.5}


@pytest.mark.parametrize("gpus", [None, 1, 0.25, 0])
def test_only_auto_is_packed(tmp_path, gpus) -> None:
    """Numbers are what they say."""
    plan = planned(gpus=gpus)

    assert Peaks(tmp_path).missing(plan, [A100]) == []
    assert Peaks(tmp_path).packed(plan, BOX, [A100]).to_run == plan.to_run


def test_auto_on_a_machine_without_gpus_is_the_cpu(tmp_path) -> None:
    """As None."""
    capacity = ClusterCapacity(nodes=(Node(cpus=2),))
    plan = planned(capacity)

    assert {trial.gpus for trial in plan.to_run} == {0}
    assert Peaks(tmp_path).missing(plan, [A100]) == []
