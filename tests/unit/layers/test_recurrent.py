import numpy as np
import pytest
import torch
from scipy.special import expit

from akid.core import seeding
from akid.core.regularizers import L2
from akid.errors import SetupError, ShapeError
from akid.layers.recurrent import GRULayer, LSTMLayer

X = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))


def parameters(layer):
    return [p.detach().numpy() for p in layer.cells.parameters()]


def gru_by_hand(x, w, u, b, c):
    h, outputs = np.zeros((len(x), u.shape[1])), []
    for t in range(x.shape[1]):
        (rx, zx, nx), (rh, zh, nh) = np.split(x[:, t] @ w.T + b, 3, 1), np.split(h @ u.T + c, 3, 1)
        r, z = expit(rx + rh), expit(zx + zh)
        h = (1 - z) * np.tanh(nx + r * nh) + z * h
        outputs.append(h)
    return np.stack(outputs, 1)


def lstm_by_hand(x, w, u, b, c):
    h = s = np.zeros((len(x), u.shape[1]))
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w.T + b + h @ u.T + c, 4, 1)
        s = expit(f) * s + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(s)
        outputs.append(h)
    return np.stack(outputs, 1)


@pytest.mark.parametrize(("kind", "by_hand"), [(GRULayer, gru_by_hand), (LSTMLayer, lstm_by_hand)])
def test_it_equals_the_recurrence_by_hand(kind, by_hand) -> None:
    """Step by step in numpy gives the same outputs."""
    layer = kind(4, initial_bias_value=0.3)

    result = layer(X)

    np.testing.assert_allclose(result.detach(), by_hand(X.numpy(), *parameters(layer)), atol=1e-6)


@pytest.mark.parametrize(("kind", "by_hand"), [(GRULayer, gru_by_hand), (LSTMLayer, lstm_by_hand)])
def test_stacked_readers_in_both_directions_equal_those_by_hand(kind, by_hand) -> None:
    """The second layer reads what both readers of the first one give."""
    layer = kind(4, layer_num=2, bidirectional=True, initial_bias_value=0.3)

    result = layer(X)

    values, expected = parameters(layer), X.numpy()
    for first in (0, 8):
        there = by_hand(expected, *values[first : first + 4])
        back = by_hand(expected[:, ::-1], *values[first + 4 : first + 8])[:, ::-1]
        expected = np.concatenate([there, back], 2)
    np.testing.assert_allclose(result.detach(), expected, atol=1e-6)


def test_the_last_outputs_are_of_each_readers_end() -> None:
    """The backward reader ends at the first step."""
    with seeding.seed_scope(0):
        whole, last = (
            LSTMLayer(4, layer_num=2, bidirectional=True, return_sequences=r, name="lstm")
            for r in (True, False)
        )
        sequence, end = whole(X), last(X)

    assert sequence.shape == (2, 5, 8)
    assert torch.equal(end, torch.cat([sequence[:, -1, :4], sequence[:, 0, 4:]], 1))
    assert GRULayer(4, return_sequences=False)(X).shape == (2, 4)


def test_first_values_are_seeded_by_the_gate() -> None:
    """Recurrent weights are orthogonal gate by gate; nothing comes from torch's generator."""
    state = torch.get_rng_state()
    with seeding.seed_scope(0):
        layer = LSTMLayer(4)
        layer.setup(X)

    w, u, b, c = parameters(layer)
    for gate in np.split(u, 4):
        np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=1e-6)
    assert np.abs(w).max() <= np.sqrt(6 / (3 + 4))
    assert not np.allclose(u[:4], u[4:8])
    assert b.tolist() == [0] * 4 + [1] * 4 + [0] * 8
    assert not c.any()
    assert torch.equal(state, torch.get_rng_state())


def test_all_weights_are_regularised_on_request() -> None:
    """Biases are not; without wd nothing is."""
    layer = GRULayer(4, layer_num=2, wd={"type": "l2", "scale": 0.1})
    assert layer.regularized() == []
    layer.setup(X)

    assert len(layer.regularized()) == 4
    assert {regularizer for regularizer, _ in layer.regularized()} == {L2(scale=0.1)}
    assert all(p.dim() == 2 for _, p in layer.regularized())


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Sequences are (N, T, D)."""
    with pytest.raises(ShapeError, match=r"got shape \(2, 5\)"):
        GRULayer(4).setup(X[..., 0])
    with pytest.raises(SetupError, match="layer_num of 1 or more, got layer_num=0"):
        LSTMLayer(4, layer_num=0)
    with pytest.raises(SetupError, match=r"got init_para={'name': 'x'}"):
        LSTMLayer(4, init_para={"name": "x"})


@pytest.mark.parametrize("kind", [GRULayer, LSTMLayer])
def test_recurrent_layers_keep_the_layer_contract(check_layer, kind) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: kind(4), X, is_one_graph=False)


@pytest.mark.parametrize("kind", [GRULayer, LSTMLayer])
def test_a_recurrent_layer_is_one_graph_where_torch_allows_it(kind) -> None:
    """With torch's switch, fullgraph gives what the layer gives; without it, it is an error."""
    layer = kind(4)
    expected = layer(X)
    torch.compiler.reset()  # it remembers what it left out
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(layer, backend="eager", fullgraph=True)(X)
    torch.compiler.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(layer, backend="eager", fullgraph=True)

        assert torch.equal(compiled(X), expected)
