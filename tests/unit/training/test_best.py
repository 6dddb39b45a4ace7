import math

import pytest
import torch
from torch import nn

from akid.errors import SetupError
from akid.training.best import Best


def net_of(value: float) -> nn.Module:
    net = nn.BatchNorm1d(2)
    nn.init.constant_(net.weight, value)
    nn.init.constant_(net.running_mean, value)  # type: ignore[arg-type]
    return net


def test_accuracy_is_the_metric_if_there_is_one() -> None:
    """More is better then."""
    best, net = Best(), net_of(0)
    steps = [
        best.offer({"step": step, "val_loss": 1.0, "val_accuracy": accuracy}, net)
        for step, accuracy in enumerate((0.1, 0.3, 0.3, 0.2, 0.4))
    ]

    assert steps == [True, True, False, False, True]
    assert (best.metric, best.row["step"]) == ("val_accuracy", 4)


def test_the_loss_is_the_metric_otherwise() -> None:
    """Less is better then, and NaN never."""
    best, net = Best(), net_of(0)
    losses = (math.nan, 3.0, 2.0, math.nan, 2.5)

    assert [best.offer({"step": 0, "val_loss": loss}, net) for loss in losses] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_best_weights_are_given_and_taken_back() -> None:
    """Parameters and buffers both."""
    best, net = Best(), net_of(1.0)
    best.offer({"step": 1, "val_loss": 1.0}, net)
    net.load_state_dict(net_of(2.0).state_dict())
    best.offer({"step": 2, "val_loss": 2.0}, net)

    with best.in_place(net):
        assert net.weight.tolist() == [1, 1]
        assert net.running_mean.tolist() == [1, 1]  # type: ignore[union-attr]
    assert net.weight.tolist() == [2, 2]
    assert net.running_mean.tolist() == [2, 2]  # type: ignore[union-attr]


def test_the_weights_are_taken_back_after_an_error() -> None:
    """A test pass that fails leaves the last weights."""
    best, net = Best(), net_of(1.0)
    best.offer({"step": 1, "val_loss": 1.0}, net)
    net.load_state_dict(net_of(2.0).state_dict())

    with pytest.raises(ZeroDivisionError), best.in_place(net):
        raise ZeroDivisionError
    assert net.weight.tolist() == [2, 2]


def test_without_any_the_weights_stay() -> None:
    """In place of nothing is the net itself."""
    net = net_of(3.0)
    with Best().in_place(net):
        assert net.weight.tolist() == [3, 3]


def test_weights_can_come_from_a_state() -> None:
    """What the state does not have is the net's own."""
    best, net = Best(), net_of(1.0)
    best.keep_state(net, {"weight": torch.tensor([7.0, 7.0])})

    with best.in_place(net):
        assert net.weight.tolist() == [7, 7]
        assert net.running_mean.tolist() == [1, 1]  # type: ignore[union-attr]


def test_a_metric_that_is_not_there_is_an_error() -> None:
    """The message lists the keys."""
    with pytest.raises(SetupError, match=r"one of \['val_loss'\], got best_metric='val_acc'"):
        Best("val_acc").offer({"val_loss": 1.0}, net_of(0))
