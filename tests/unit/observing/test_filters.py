import re

import numpy as np
import pytest
import torch

from akid.core.block import Block
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.convolution_1d import Convolution1DLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.transposed_convolution import TransposedConvolutionLayer
from akid.observing.filters import filters_of, has_filters, norms


def set_up(block: Block, *shape: int) -> Block:
    block.setup(torch.zeros(2, *shape))
    return block


def test_the_filters_of_a_convolution_are_its_weights() -> None:
    """With the biases, and without where there are none."""
    conv = set_up(ConvolutionLayer(ksize=3, out_channel_num=5), 2, 8, 8)
    bare = set_up(ConvolutionLayer(ksize=3, out_channel_num=5, initial_bias_value=None), 2, 8, 8)

    assert np.array_equal(filters_of(conv, who="conv1").values, conv.weights.detach())
    assert filters_of(conv, who="conv1").biases.shape == (5,)
    assert filters_of(bare, who="conv1").biases is None


def test_an_inner_product_is_folded_to_the_maps_that_it_looks_at() -> None:
    """What looks at a vector stays a line."""
    ip = set_up(InnerProductLayer(out_channel_num=3), 2, 4, 5)

    assert filters_of(ip, who="ip1").values.shape == (3, 2, 4, 5)
    assert filters_of(set_up(InnerProductLayer(out_channel_num=3), 7), who="ip1").values.shape == (
        3, 1, 1, 7,
    )  # fmt: skip


def test_other_layers_give_one_filter_an_output_too() -> None:
    """Transposed convolution keeps its outputs second; one in one dimension has lines."""
    transposed = TransposedConvolutionLayer(ksize=3, out_channel_num=4)
    line = Convolution1DLayer(ksize=3, out_channel_num=4)

    assert filters_of(set_up(transposed, 2, 8, 8), who="t").values.shape == (4, 2, 3, 3)
    assert filters_of(set_up(line, 2, 8), who="l").values.shape == (4, 2, 1, 3)


def test_the_bag_selects_filters() -> None:
    """In the order of the list."""
    conv = ConvolutionLayer(ksize=3, out_channel_num=5, bag={"filters_to_visual": [4, 0]})
    set_up(conv, 1, 8, 8)

    bank = filters_of(conv, who="conv1")

    assert np.array_equal(bank.values, conv.weights.detach()[[4, 0]])
    assert bank.describe() == "2 of 5 filters, each 3 x 3"


@pytest.mark.parametrize("selection", [[5], [], "first", [-1], [0.5]])
def test_a_selection_that_does_not_fit_is_an_error(selection: object) -> None:
    """The message says which filters there are."""
    conv = ConvolutionLayer(ksize=3, out_channel_num=5, bag={"filters_to_visual": selection})

    with pytest.raises(SetupError, match=re.escape("list of filters from 0 to 4")):
        filters_of(set_up(conv, 1, 8, 8), who="conv1")


def test_a_layer_without_weights_has_no_filters() -> None:
    """Asked for by name, it is an error."""
    assert not has_filters(ReLULayer())
    with pytest.raises(SetupError, match="relu1: expected a layer with weights, got a ReLULayer"):
        filters_of(ReLULayer(), who="relu1")


def test_norms_are_those_of_the_flattened_filters() -> None:
    """One each output."""
    conv = set_up(ConvolutionLayer(ksize=3, out_channel_num=5), 2, 8, 8)

    expected = conv.weights.detach().flatten(1).norm(dim=1)
    assert norms(filters_of(conv, who="conv1")) == pytest.approx(expected.numpy(), rel=1e-5)
