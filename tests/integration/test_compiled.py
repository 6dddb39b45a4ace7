"""Brains and torch.compile, which takes seconds for each."""

import copy

import pytest
import torch

from akid import Brain, FeedSensor, InnerProductLayer, Kid, MomentumKongFu, SoftmaxWithLossLayer
from akid.models import brains
from akid.sensing.datasets.synthetic import SyntheticFeedSource
from akid.tuning.execute import practise
from akid.tuning.hygiene import ProcessState


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: brains.LeNet(name="brain"), (5, 1, 28, 28)),
        (lambda: brains.CifarResNet(name="brain", depth=10, width=1), (5, 3, 32, 32)),
    ],
)
def test_compiled_brains_compute_the_same(make, shape, tmp_path, monkeypatch) -> None:
    """torch.compile traces a training step of a brain as one graph."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()  # whatever was compiled before
    inputs = [torch.randn(shape), torch.arange(5)]
    brain = make()
    brain.setup(inputs)
    brain.keep_data = False
    expected = copy.deepcopy(brain)(inputs)

    torch.compile(brain, backend="aot_eager", fullgraph=True)(inputs)

    torch.testing.assert_close(brain.data_loss, expected)
    brain.data_loss.backward()
    assert brain.get_filters()[0].grad is not None


def test_each_trial_of_a_process_is_compiled(tmp_path) -> None:
    """torch compiles a function eight times at most, and one serves all brains."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    def setup() -> Kid:
        brain = Brain(name="Brain")
        brain.attach(InnerProductLayer(out_channel_num=trial + 1, name="hidden"))
        brain.attach(InnerProductLayer(out_channel_num=10, name="ip"))
        inputs = [{"name": "ip"}, {"name": "system_in", "idxs": [1]}]
        brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))
        sensor = FeedSensor(SyntheticFeedSource(shape=[4, 4, 1], num_train=64), batch_size=32)
        engine = {"name": "single", "device": "cpu", "compile": {"backend": backend}}
        return Kid(sensor, brain, MomentumKongFu(lr=0.1), engine=engine, max_steps=2)

    compiled = []
    state = ProcessState.take()
    for trial in range(5):
        practise(setup, seed=0, threads=1, log_dir=tmp_path / str(trial))
        state.restore(first=False)
        compiled.append(len(graphs))
        graphs.clear()

    assert compiled[0] > 0
    assert compiled == [compiled[0]] * 5
