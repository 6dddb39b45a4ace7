"""Layers with weights give what Keras's give."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from akid.layers.attention import MultiHeadAttentionLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.convolution_1d import Convolution1DLayer
from akid.layers.embedding import EmbeddingLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.recurrent import GRULayer, LSTMLayer
from akid.layers.transposed_convolution import TransposedConvolutionLayer

cases = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("cases.py"))))


def filled(layer, inputs, weights, biases=None):
    """Set a layer up in double precision, with these weights, and call it."""
    layer.setup(inputs)
    layer.double()
    with torch.no_grad():
        layer.weights.copy_(weights)
        if biases is not None:
            layer.biases.copy_(biases)
    return layer(inputs)


def sides(size):
    return (size, size) if isinstance(size, int) else size


@pytest.mark.parametrize("name", cases.CONVOLUTIONS)
def test_a_convolution(name, agrees, values, channels_first) -> None:
    """Odd and even windows and sides, strides, dilation, groups, SAME and VALID."""
    case = {k: v for k, v in cases.CONVOLUTIONS[name].items() if k != "side"}
    side = cases.CONVOLUTIONS[name]["side"]
    layer = ConvolutionLayer(out_channel_num=4, **{**case, "padding": case["padding"].upper()})
    kernel = values("weight0", *sides(case["ksize"]), 2 // case.get("groups", 1), 4)

    found = filled(
        layer,
        channels_first("x", 1, side, side - 1, 2),
        kernel.permute(3, 2, 0, 1),
        values("weight1", 4),
    )

    agrees(name, found.movedim(1, -1))


@pytest.mark.parametrize("name", cases.DEPTHWISE)
def test_a_depthwise_convolution(name, agrees, values, channels_first) -> None:
    """Each channel has its own window."""
    case = cases.DEPTHWISE[name]
    layer = ConvolutionLayer(
        ksize=3,
        strides=case["strides"],
        padding=case["padding"].upper(),
        depthwise=True,
        out_channel_num=3,
    )
    kernel = values("weight0", 3, 3, 3, 1).permute(2, 3, 0, 1)

    found = filled(layer, channels_first("x", 1, 7, 6, 3), kernel, values("weight1", 3))

    agrees(name, found.movedim(1, -1))


@pytest.mark.parametrize("name", cases.SEQUENCES)
def test_a_convolution_of_a_sequence(name, agrees, values, channels_first) -> None:
    """The same in one dimension."""
    case = {k: v for k, v in cases.SEQUENCES[name].items() if k != "side"}
    layer = Convolution1DLayer(out_channel_num=3, **{**case, "padding": case["padding"].upper()})
    kernel = values("weight0", case["ksize"], 2, 3).permute(2, 1, 0)
    x = channels_first("x", 2, cases.SEQUENCES[name]["side"], 2)

    agrees(name, filled(layer, x, kernel, values("weight1", 3)).movedim(1, -1))


@pytest.mark.parametrize("name", cases.TRANSPOSED)
def test_a_transposed_convolution(name, agrees, values, channels_first) -> None:
    """What the strides leave open is filled, and what hangs over cut, on the same sides."""
    case = cases.TRANSPOSED[name]
    side, ksize = case["side"], sides(case["ksize"])
    layer = TransposedConvolutionLayer(
        ksize=ksize, strides=case["strides"], padding=case["padding"].upper(), out_channel_num=2
    )
    kernel = values("weight0", *ksize, 2, 3).permute(3, 2, 0, 1)
    x = channels_first("x", 1, side, side + 1, 3)

    agrees(name, filled(layer, x, kernel, values("weight1", 2)).movedim(1, -1))


def test_an_inner_product(agrees, values) -> None:
    """Keras's dense layer."""
    layer = InnerProductLayer(out_channel_num=5)

    found = filled(layer, values("x", 3, 7), values("weight0", 7, 5).T, values("weight1", 5))

    agrees("dense", found)


def test_an_embedding(agrees, values) -> None:
    """A row of the table for each number."""
    numbers = torch.from_numpy(cases.labels("numbers", 6, 9))

    agrees("embedding", filled(EmbeddingLayer(9, 4), numbers, values("weight0", 9, 4)))


def gates(kind, matrix):
    """Reorder Keras's gates, side by side, to torch's, one below the other.

    GRU: update, reset, new to reset, update, new. LSTM: input, forget, cell, output in both.
    """
    parts = matrix.chunk(3 if kind == "gru" else 4, -1)
    order = (1, 0, 2) if kind == "gru" else (0, 1, 2, 3)
    reordered = torch.cat([parts[i] for i in order], -1)
    return reordered.T if reordered.dim() == 2 else reordered


def recurrent_weights(kind, values, reader):
    """Return what one reader has in Keras: three arrays, the biases of a GRU in two rows."""
    count, first = (3 if kind == "gru" else 4) * 4, 3 * reader
    biases = (2, count) if kind == "gru" else (count,)
    drawn = [(3, count), (4, count), biases]
    kernel, recurrent, bias = (values(f"weight{first + i}", *s) for i, s in enumerate(drawn))
    rows = bias if kind == "gru" else torch.stack([bias, torch.zeros_like(bias)])
    return [gates(kind, kernel), gates(kind, recurrent), *(gates(kind, row) for row in rows)]


@pytest.mark.parametrize("name", cases.RECURRENT)
def test_a_recurrent_layer(name, agrees, values) -> None:
    """GRU and LSTM, one or two readers, all steps or the last."""
    case, x = cases.RECURRENT[name], values("x", 2, 5, 3)
    kind = {"gru": GRULayer, "lstm": LSTMLayer}[case["kind"]]
    layer = kind(4, bidirectional=case["bidirectional"], return_sequences=case["sequences"])
    layer.setup(x)
    layer.double()
    weights = recurrent_weights(case["kind"], values, 0)
    if case["bidirectional"]:
        weights += recurrent_weights(case["kind"], values, 1)
    with torch.no_grad():
        for parameter, weight in zip(layer.cells.parameters(), weights, strict=True):
            parameter.copy_(weight)

    agrees(name, layer(x))


@pytest.mark.parametrize("name", cases.ATTENTIONS)
def test_attention(name, agrees, values) -> None:
    """Two heads of three features; queries, values and keys of one, two or three tensors."""
    case = cases.ATTENTIONS[name]
    x, memory, keys = (values(part, 2, 5, 6) for part in ("x", "memory", "keys"))
    given = {"self": x, "memory": [x, memory], "three": [x, keys, memory]}[case["look"]]
    layer = MultiHeadAttentionLayer(2, causal=case["causal"])
    layer.setup(given)
    layer.double()
    kernels = [values(f"weight{i}", 6, 2, 3).reshape(6, 6).T for i in (0, 2, 4)]
    with torch.no_grad():
        layer.weights.copy_(torch.cat(kernels))
        layer.biases.copy_(torch.cat([values(f"weight{i}", 2, 3).flatten() for i in (1, 3, 5)]))
        layer.out_weights.copy_(values("weight6", 2, 3, 6).reshape(6, 6).T)
        layer.out_biases.copy_(values("weight7", 6))

    agrees(name, layer(given))
