import re

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from akid.errors import SetupError, ShapeError
from akid.layers.regularization_loss import KLRegularizationLayer, WeightDecayLayer


@pytest.mark.parametrize("std", [1.0, 0.5])
def test_kl_regularization_is_a_divergence_of_normal_laws(std) -> None:
    """The mean over rows; without a wanted mean, the rows' own counts as right."""
    x = torch.randn(6, 10) * 2 + 1

    free = kl_divergence(Normal(x.mean(1), x.std(1)), Normal(x.mean(1), std)).mean()
    pulled = kl_divergence(Normal(x.mean(1), x.std(1)), Normal(0.3, std)).mean()

    torch.testing.assert_close(KLRegularizationLayer(std=std)(x), free)
    torch.testing.assert_close(KLRegularizationLayer(mean=0.3, std=std)(x), pulled)


def test_weight_decay_multiplies_once() -> None:
    """Variables 1 and 1 with a multiplier of 2 give 4."""
    variables = [torch.ones(1), torch.ones(1, 1)]

    assert WeightDecayLayer(multiplier=2.0)(variables).item() == 4.0
    assert WeightDecayLayer()(torch.full((3,), 2.0)).item() == 12.0


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Rows need a spread."""
    with pytest.raises(SetupError, match="expected std above 0, got std=0"):
        KLRegularizationLayer(std=0)
    with pytest.raises(ShapeError, match=re.escape("with D of 2 or more, got shape (3, 1)")):
        KLRegularizationLayer().setup(torch.zeros(3, 1))


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (KLRegularizationLayer, torch.randn(3, 4)),
        (WeightDecayLayer, [torch.randn(3, 4), torch.randn(2)]),
    ],
)
def test_regularization_losses_keep_the_layer_contract(check_layer, make, inputs) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, inputs)
