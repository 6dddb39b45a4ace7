import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.batch_normalization import BatchNormalizationLayer


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 5), (8, 3, 5, 4), (8, 3, 2, 2, 2)])
def test_each_channel_is_standardised_over_the_batch(shape) -> None:
    """(x - mean) / sqrt(var + eps) over all dimensions but the channels, then gamma and beta."""
    x = torch.randn(shape, dtype=torch.float64) * 3 + 1
    bn = BatchNormalizationLayer(beta_init=0.5, gamma_init=2.0, eps=1e-3)
    bn.setup(x)

    result = bn.double()(x)

    dims = [d for d in range(x.dim()) if d != 1]
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    torch.testing.assert_close(result, 2 * (x - mean) / (var + 1e-3).sqrt() + 0.5)


def test_gamma_and_beta_start_from_their_values_and_are_trained() -> None:
    """Nothing is random: gamma 1 and beta 0 unless said otherwise."""
    bn = BatchNormalizationLayer()
    bn.setup(torch.zeros(4, 3))

    assert {name: p.tolist() for name, p in bn.named_parameters()} == {
        "gamma": [1.0] * 3,
        "beta": [0.0] * 3,
    }


def test_a_fixed_gamma_is_no_parameter() -> None:
    """fix_gamma keeps gamma at its value, also through the state dict."""
    bn = BatchNormalizationLayer(gamma_init=3.0, fix_gamma=True)
    x = torch.tensor([[1.0], [-1.0]])

    assert bn(x).flatten().tolist() == pytest.approx([3.0, -3.0], abs=1e-3)
    assert [name for name, _ in bn.named_parameters()] == ["beta"]
    assert bn.state_dict()["gamma"].tolist() == [3.0]


def test_a_shared_gamma_is_one_number() -> None:
    """share_gamma scales all channels alike, and its gradient is the sum over them."""
    bn, plain = BatchNormalizationLayer(share_gamma=True), BatchNormalizationLayer()
    x = torch.randn(6, 3)
    (bn(x) * x).sum().backward()
    (plain(x) * x).sum().backward()

    assert bn.gamma.shape == (1,)
    torch.testing.assert_close(bn.gamma.grad, plain.gamma.grad.sum()[None])


@pytest.mark.parametrize("gamma_init", [0, None])
def test_no_gamma_and_no_beta(gamma_init) -> None:
    """A gamma_init of 0 or None means that gamma is not used; beta_init None likewise."""
    bn = BatchNormalizationLayer(gamma_init=gamma_init, beta_init=None)

    assert bn(torch.tensor([[1.0], [-1.0]])).flatten().tolist() == pytest.approx([1, -1], abs=1e-3)
    assert list(bn.parameters()) == []


@pytest.mark.parametrize(("momentum", "weights"), [(0.1, [0.9 * 0.1, 0.1]), (None, [0.5, 0.5])])
def test_evaluation_takes_running_averages(momentum, weights) -> None:
    """Each batch counts with its weight, or all alike for None; evaluation changes nothing."""
    bn = BatchNormalizationLayer(momentum=momentum)
    batches = torch.randn(2, 16, 3)
    for batch in batches:
        bn(batch)
    bn.eval()
    bn(batches[0] + 100)

    means = weights[0] * batches[0].mean(0) + weights[1] * batches[1].mean(0)
    torch.testing.assert_close(bn.running_mean, means)


def test_without_running_averages_the_batch_counts_in_evaluation_too() -> None:
    """track_running_stats=False has no buffers."""
    bn = BatchNormalizationLayer(track_running_stats=False, momentum=None)
    x = torch.randn(16, 3)

    torch.testing.assert_close(bn(x), bn.eval()(x))
    assert bn.running_mean is None


def test_it_trains_as_torch_does() -> None:
    """Outputs, gradients and averages equal those of torch.nn.BatchNorm2d."""
    ours, theirs = BatchNormalizationLayer(), torch.nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    for _ in range(2):
        ours(x).square().mul(x.detach()).sum().backward()
        theirs(y).square().mul(y.detach()).sum().backward()

    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(ours.gamma.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.parametrize(
    "options",
    [{}, {"fix_gamma": True}, {"share_gamma": True}, {"gamma_init": None}, {"momentum": None}],
)
def test_batch_normalization_keeps_the_layer_contract(check_layer, options) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: BatchNormalizationLayer(**options), torch.randn(4, 3, 4, 4))


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Each message names the block and what came in."""
    with pytest.raises(SetupError, match=re.escape("bn1: expected eps above 0, got eps=0")):
        BatchNormalizationLayer(eps=0, name="bn1")
    with pytest.raises(SetupError, match="momentum from 0 to 1, or None, got momentum=2"):
        BatchNormalizationLayer(momentum=2)
    with pytest.raises(ShapeError, match=re.escape("got shape (3,)")):
        BatchNormalizationLayer().setup(torch.zeros(3))
    with pytest.raises(ShapeError, match="expected channels"):
        BatchNormalizationLayer().setup(torch.zeros(3, 0))


def test_a_training_batch_of_one_value_a_channel_is_normalised_by_what_was_seen_before() -> None:
    """An epoch whose last batch is a single example trains on; the running statistics stay."""
    layer = BatchNormalizationLayer(name="bn")
    layer(torch.randn(8, 3))
    mean = layer.running_mean.clone()

    one = layer(torch.ones(1, 3))

    assert torch.equal(layer.running_mean, mean)
    assert torch.equal(one, layer.eval()(torch.ones(1, 3)))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_compiled_layer_learns_the_same_averages_in_one_graph(momentum) -> None:
    """No number of how many batches there were is waited for."""
    plain, layer = (BatchNormalizationLayer(momentum=momentum) for _ in range(2))
    for each in (plain, layer):
        each.setup(torch.zeros(8, 3))
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    for scale in (1, 2, 3):
        x = scale * torch.randn(8, 3)
        torch.testing.assert_close(compiled(x), plain(x))

    torch.testing.assert_close(layer.state_dict(), plain.state_dict())
