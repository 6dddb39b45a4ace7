import copy

import torch

from akid.layers.metric import MetricLayer, mean_of


class Largest(MetricLayer):
    def forward(self, inputs):
        self._keep(inputs)
        return inputs[0]

    def _metrics(self, *inputs):
        return {"largest": inputs[0].max()}


def test_metrics_are_of_the_last_call_detached_and_forgotten_on_demand() -> None:
    """A copy starts without any."""
    layer = Largest()
    assert layer.evals == {}

    layer([torch.tensor([1.0, 3.0], requires_grad=True) * 1])

    assert layer.evals["largest"].item() == 3.0
    assert not layer.evals["largest"].requires_grad
    assert copy.deepcopy(layer).evals == {}
    layer.forget()
    assert layer.evals == {}


def test_without_metrics_there_are_none() -> None:
    """_metrics is optional."""
    layer = MetricLayer()
    layer._keep([torch.zeros(2)])

    assert layer.evals == {}


def test_mean_of_truths() -> None:
    """It is a number from 0 to 1 in the default dtype."""
    assert mean_of(torch.tensor([True, False, True, True])) == torch.tensor(0.75)
