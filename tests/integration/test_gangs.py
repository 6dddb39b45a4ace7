"""Trials that practise on several workers, in a sweep: gangs, their GPUs, and what is lost."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("cluster")

GANGS = """
net_paras_list = [{"engine": "single"}, {"engine": {"name": "data_parallel", "num_gpu": 2}}]
opt_paras_list = [{"lr": 0.1, "dies": False}, {"lr": 0.1, "dies": True}]
cpu_num_per_instance = 0.5


def setup():
    import os
    from pathlib import Path

    from torch import distributed

    from akid import Brain, DigitsFeedSource, FeedSensor, InnerProductLayer, Kid
    from akid import MomentumKongFu, SoftmaxWithLossLayer
    from akid.layers.activation import ReLULayer

    class Witness(ReLULayer):
        def forward(self, inputs):
            if distributed.is_initialized():
                self.testify()
            return super().forward(inputs)

        def testify(self):
            seen = Path("FOLDER", str(os.getpid()))
            seen.write_text(os.environ["CUDA_VISIBLE_DEVICES"])
            self.calls = getattr(self, "calls", 0) + self.training
            died = Path("FOLDER", "died")
            is_second = distributed.get_rank() == 1
            if {{ opt_paras["dies"] }} and is_second and self.calls == 7 and not died.exists():
                died.touch()
                os._exit(1)

    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=8, name="ip1"), Witness(name="witness"))
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip2"))
    inputs = [{"name": "ip2"}, {"name": "system_in", "idxs": [1]}]
    brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))
    source = DigitsFeedSource(name="Source", scale=True, num_train=141, num_val=101)
    sensor = FeedSensor(source, batch_size=35, name="Sensor")
    return Kid(
        sensor,
        brain,
        MomentumKongFu(lr={{ opt_paras["lr"] }}),
        engine={{ net_paras["engine"] }},
        max_steps=10,
        train_log_step=5,
        val_log_step=5,
    )
"""


def test_gangs_and_single_trials_share_the_gpus_and_give_the_same(place, tmp_path: Path) -> None:
    """Two gangs of two and two trials of one wait for two GPUs; a dead worker changes nothing."""
    seen = tmp_path / "seen"
    seen.mkdir()

    ran = place.sweep(place.write(GANGS.replace("FOLDER", str(seen))), "--json")

    assert ran.code == 0, ran.err
    runs = place.runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert [run.data.tags.get("akid.workers") for run in runs] == [None, "2"] * 2
    losses = [run.data.metrics["val_loss"] for run in runs]
    assert losses == pytest.approx([losses[0]] * 4, abs=1e-6)
    assert "is tried again: lost" in ran.err
    assert (seen / "died").exists()
    gpus = [file.read_text() for file in seen.glob("[0-9]*")]
    assert len(gpus) == 4, "the first two workers served both trials, until one died"
    assert sorted(gpus) == ["0", "0", "1", "1"]


def test_what_no_cluster_of_this_size_has_is_refused_before_the_start(place) -> None:
    """The need of the whole gang stands beside what there is."""
    ran = place.sweep(place.write(GANGS.replace('"num_gpu": 2', '"num_gpu": 3')))

    assert ran.code == 3
    assert "3 x (0.5 CPU, 1 GPU)" in ran.err
