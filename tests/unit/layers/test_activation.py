import pytest
import torch
from scipy import special, stats

from akid.errors import SetupError
from akid.layers.activation import (
    ELULayer,
    GELULayer,
    LeakyReLULayer,
    PReLULayer,
    ReLULayer,
    SELULayer,
    SigmoidLayer,
    SiLULayer,
    SoftmaxLayer,
    SoftplusLayer,
    TanhLayer,
)

X = torch.tensor([[-3.0, -0.5, 0.0, 0.5, 3.0]], dtype=torch.float64)
N = X.numpy()
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
LAYERS = [
    (ReLULayer, N * (N > 0)),
    (SigmoidLayer, special.expit(N)),
    (TanhLayer, special.expit(2 * N) * 2 - 1),
    (lambda: LeakyReLULayer(0.2), N * (N > 0) + 0.2 * N * (N < 0)),
    (PReLULayer, N * (N > 0) + 0.25 * N * (N < 0)),
    (lambda: ELULayer(2.0), N * (N > 0) + 2 * special.expm1(N) * (N < 0)),
    (SELULayer, SCALE * (N * (N > 0) + ALPHA * special.expm1(N) * (N < 0))),
    (GELULayer, N * stats.norm.cdf(N)),
    (SiLULayer, N * special.expit(N)),
    (SoftplusLayer, special.logsumexp([N, N * 0], axis=0)),
    (SoftmaxLayer, special.softmax(N, axis=1)),
    (lambda: SoftmaxLayer(dim=0), N * 0 + 1),
]


@pytest.mark.parametrize(("make", "expected"), LAYERS)
def test_an_activation_is_its_function(make, expected) -> None:
    """The values equal SciPy's, and the input is left as it is."""
    x = X.clone()

    layer = make()
    layer.setup(x)
    torch.testing.assert_close(layer.double()(x), torch.as_tensor(expected))
    assert torch.equal(x, X)


@pytest.mark.parametrize("make", [make for make, _ in LAYERS])
def test_an_activation_keeps_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 3, 4, 4))


def test_each_channel_learns_its_slope() -> None:
    """The gradient of a slope is the sum of the negative values of its channel."""
    layer = PReLULayer()
    layer(torch.tensor([[-1.0, 2.0], [-3.0, -0.5]])).sum().backward()

    assert layer.slopes.grad.tolist() == [-4.0, -0.5]


def test_a_list_is_refused() -> None:
    """An activation takes one tensor."""
    with pytest.raises(SetupError, match="relu1: expected one tensor, got list of 1"):
        ReLULayer(name="relu1").setup([X])
