import re

import pytest
import torch

from akid.errors import ShapeError
from akid.layers.hinge_loss import HingeLossLayer

Y, T = torch.tensor([0.5, -2.0, 0.3]), torch.tensor([1.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.5 + 0 + 1) / 3),
        ({"tripod_hinge_loss": True}, (0.5 + 0 + 0.3) / 3),
        ({"tripod_hinge_loss": True, "signal_balancing": True}, (0.25 + 0.3) / 2),
        ({"tripod_hinge_loss": True, "multiplier": 2.0}, 2 * 0.8 / 3),
    ],
)
def test_the_documented_numbers(options, expected) -> None:
    """A third label of 0 costs abs(y); balancing averages the kinds first."""
    assert HingeLossLayer(**options)([Y, T]).item() == pytest.approx(expected)


def test_a_kind_that_does_not_occur_does_not_count() -> None:
    """Balancing over one kind is its mean, for either kind."""
    layer = HingeLossLayer(tripod_hinge_loss=True, signal_balancing=True)

    assert layer([Y[:2], T[:2]]).item() == pytest.approx(0.25)
    assert layer([Y[2:], T[2:]]).item() == pytest.approx(0.3)


def test_weights_multiply_and_inputs_stay() -> None:
    """A weight of 0 takes a loss out; neither input is overwritten."""
    y = Y.clone().requires_grad_()
    layer = HingeLossLayer(tripod_hinge_loss=True)

    loss = layer([y, T, torch.tensor([2.0, 1.0, 0.0])])
    loss.backward()

    assert loss.item() == pytest.approx(1 / 3)
    assert y.grad.tolist() == pytest.approx([-2 / 3, 0, 0])
    assert torch.equal(y, Y)


def test_labels_of_another_shape_are_refused() -> None:
    """Nothing is broadcast."""
    with pytest.raises(ShapeError, match=re.escape("got predictions (3, 1), labels (3,)")):
        HingeLossLayer().setup([Y[:, None], T])


def test_hinge_loss_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: HingeLossLayer(tripod_hinge_loss=True, signal_balancing=True), [Y, T])
