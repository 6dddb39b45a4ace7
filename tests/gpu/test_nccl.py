"""Engine "data_parallel" on real GPUs: what one gives, by two that speak by nccl."""

from collections.abc import Iterator

import pytest
import torch

from akid import (
    Brain,
    DigitsFeedSource,
    FeedSensor,
    InnerProductLayer,
    Kid,
    MomentumKongFu,
    SoftmaxWithLossLayer,
)
from akid.cluster import connection
from akid.layers.activation import ReLULayer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture
def gpus() -> Iterator[None]:
    """Start a cluster with this machine's GPUs."""
    with connection.connect(num_cpus=2):
        yield


class Net(Brain):
    """Two layers for digits."""

    def __init__(self) -> None:
        super().__init__(name="Net")
        self.attach(InnerProductLayer(out_channel_num=32, name="ip1"), ReLULayer(name="relu"))
        self.attach(InnerProductLayer(out_channel_num=10, name="ip2"))
        inputs = [{"name": "ip2"}, {"name": "system_in", "idxs": [1]}]
        self.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))


def practised(folder, engine: object) -> Kid:
    """Return a kid after ten steps on batches that two workers can't halve."""
    source = DigitsFeedSource(name="Source", scale=True, num_train=350, num_val=101)
    kid = Kid(
        FeedSensor(source, batch_size=35, name="Sensor"),
        Net(),
        MomentumKongFu(lr=0.1),
        engine=engine,
        max_steps=10,
        val_log_step=5,
        log_dir=folder,
        seed=1,
    )
    kid.hooks.on_val_log_step.append(note_device)
    kid.practice()
    return kid


def note_device(kid: Kid) -> None:
    kid.bag["device"] = kid.brain["ip1/weights"].device.type


def test_two_gpus_give_what_one_gives(gpus: None, tmp_path) -> None:
    """Weights after ten steps and the validation, to 1e-5; the hooks' kid is at home on the CPU."""
    one = practised(tmp_path / "one", "single")
    two = practised(tmp_path / "two", {"name": "data_parallel", "num_gpu": 2})

    assert (one.bag["device"], two.bag["device"]) == ("cuda", "cpu")
    assert two.report.test == pytest.approx(one.report.test, abs=1e-5)
    assert one.brain["ip1/weights"].is_cuda
    for name, weights in one.brain.state_dict().items():
        if torch.is_tensor(weights):
            torch.testing.assert_close(
                two.brain.state_dict()[name].cpu(), weights.cpu(), rtol=1e-5, atol=1e-5
            )
    for name, value in one.last_row.items():
        if name.startswith("val_"):
            assert two.last_row[name] == pytest.approx(value, abs=1e-5)
