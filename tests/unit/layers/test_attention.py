import re

import pytest
import torch

from akid.core import seeding
from akid.core.regularizers import L2
from akid.errors import SetupError, ShapeError
from akid.layers.attention import MultiHeadAttentionLayer

X, MEMORY, VALUES = torch.randn(2, 5, 8), torch.randn(2, 7, 8), torch.randn(2, 7, 8)


def torch_attention(layer):
    theirs = torch.nn.MultiheadAttention(8, layer.head_num, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(layer.weights)
        theirs.in_proj_bias.copy_(layer.biases)
        theirs.out_proj.weight.copy_(layer.out_weights)
        theirs.out_proj.bias.copy_(layer.out_biases)
    return theirs


@pytest.mark.parametrize(
    ("inputs", "triple"),
    [
        (X, (X, X, X)),
        ([X], (X, X, X)),
        ([X, MEMORY], (X, MEMORY, MEMORY)),
        ([X, MEMORY, VALUES], (X, MEMORY, VALUES)),
    ],
)
def test_it_equals_torchs_module(inputs, triple) -> None:
    """One input looks at itself, two at the memory; biases are at work too."""
    layer = MultiHeadAttentionLayer(head_num=2)
    layer.setup(inputs)
    with torch.no_grad():
        layer.biases.normal_()
        layer.out_biases.normal_()

    torch.testing.assert_close(layer(inputs), torch_attention(layer)(*triple)[0])


def test_causal_attention_does_not_look_ahead() -> None:
    """A later place has no influence on an earlier one."""
    layer = MultiHeadAttentionLayer(head_num=4, causal=True)
    before = layer(X)
    changed = X.clone()
    changed[:, 3:] += 1

    after = layer(changed)

    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])


def test_each_projection_is_drawn_by_itself() -> None:
    """Queries, keys, values and output differ, and a seed repeats."""
    with seeding.seed_scope(0):
        one, other = (MultiHeadAttentionLayer(head_num=2) for _ in range(2))
        one.setup(X)
        other.setup(X)

    query, key, value = one.weights.chunk(3)
    assert not any(torch.equal(query, w) for w in (key, value, one.out_weights))
    assert torch.equal(one.weights, other.weights)


def test_weights_are_regularised_on_request() -> None:
    """Both kinds of weights, not the biases."""
    layer = MultiHeadAttentionLayer(head_num=2, wd={"type": "l2", "scale": 0.1})
    assert layer.regularized() == []
    layer.setup(X)

    assert layer.regularized() == [(L2(scale=0.1), p) for p in (layer.weights, layer.out_weights)]


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Features must divide into heads, and keys must match values."""
    with pytest.raises(ShapeError, match=re.escape("a multiple of head_num=3, got [(2, 5, 8)]")):
        MultiHeadAttentionLayer(head_num=3).setup(X)
    with pytest.raises(ShapeError, match=re.escape("got [(2, 5, 8), (2, 7, 4)]")):
        MultiHeadAttentionLayer(head_num=2).setup([X, MEMORY[..., :4]])
    with pytest.raises(ShapeError, match="expected as many keys as values"):
        MultiHeadAttentionLayer(head_num=2).setup([X, MEMORY, X])
    with pytest.raises(SetupError, match="head_num of 1 or more, got head_num=0"):
        MultiHeadAttentionLayer(head_num=0)


@pytest.mark.parametrize("inputs", [X, [X, MEMORY]])
def test_attention_keeps_the_layer_contract(check_layer, inputs) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: MultiHeadAttentionLayer(head_num=2), inputs)
