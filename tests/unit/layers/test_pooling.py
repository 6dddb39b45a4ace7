import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.errors import SetupError, ShapeError
from akid.layers.pooling import (
    AveragePoolingLayer,
    GlobalPoolingLayer,
    MaxPoolingLayer,
    PoolingLayer,
)

REDUCE = {"max": np.max, "avg": np.mean}


def tensorflow_pool(x, ksize, stride, padding, reduce):
    """Pool (H, W) window by window; SAME is padded by TensorFlow's rule, padding is no value."""
    out, starts = [], []
    for side, window in zip(x.shape, ksize, strict=True):
        if padding == "SAME":
            count = math.ceil(side / stride)
            start = -(max((count - 1) * stride + window - side, 0) // 2)
        else:
            count, start = (side - window) // stride + 1, 0
        out.append(count)
        starts.append(start)
    result = np.empty(out)
    for i, j in np.ndindex(*out):
        top, left = starts[0] + i * stride, starts[1] + j * stride
        window = x[max(top, 0) : top + ksize[0], max(left, 0) : left + ksize[1]]
        result[i, j] = reduce(window)
    return result


@settings(max_examples=150, deadline=None)
@given(
    sides=st.tuples(st.integers(5, 13), st.integers(5, 13)),
    later=st.tuples(st.integers(5, 13), st.integers(5, 13)),
    ksize=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 5),
    padding=st.sampled_from(["SAME", "VALID"]),
    kind=st.sampled_from(["max", "avg"]),
)
def test_pooling_equals_a_hand_made_one(sides, later, ksize, stride, padding, kind) -> None:
    """Whatever the sizes, also of a later input, the result is TensorFlow's."""
    layer = PoolingLayer(ksize=ksize, strides=stride, padding=padding, type=kind)
    for shape in (sides, later):
        x = -torch.rand(1, 1, *shape, dtype=torch.float64)

        expected = tensorflow_pool(x[0, 0].numpy(), ksize, stride, padding, REDUCE[kind])

        np.testing.assert_allclose(layer(x)[0, 0], expected)


@pytest.mark.parametrize("size_px", range(1, 5))
@pytest.mark.parametrize("ksize", range(1, 8))
@pytest.mark.parametrize("stride", range(1, 6))
def test_same_holds_for_images_smaller_than_the_window(size_px, ksize, stride) -> None:
    """SAME gives ceil(size / stride) windows, of the pixels that are there."""
    x = -torch.rand(1, 1, size_px, size_px, dtype=torch.float64)
    for kind, reduce in REDUCE.items():
        layer = PoolingLayer(ksize=ksize, strides=stride, padding="SAME", type=kind)

        expected = tensorflow_pool(x[0, 0].numpy(), (ksize, ksize), stride, "SAME", reduce)

        np.testing.assert_allclose(layer(x)[0, 0], expected)


def test_the_second_pool_of_lenet_gives_seven_by_seven() -> None:
    """5/2 SAME over 14x14 gives 7x7, so that the inner product sees 64 * 7 * 7 = 3136."""
    layer = PoolingLayer(ksize=[5, 5], strides=[2, 2], padding="SAME")

    assert layer(torch.zeros(1, 64, 14, 14)).shape == (1, 64, 7, 7)


def test_strides_default_to_the_window_and_padding_to_valid() -> None:
    """The documented order is ksize, strides, padding, type."""
    assert PoolingLayer(2)(torch.zeros(1, 1, 5, 5)).shape == (1, 1, 2, 2)
    assert PoolingLayer([1, 2, 2, 1], [1, 1, 1, 1], "SAME", "avg").strides == (1, 1)


@pytest.mark.parametrize(
    ("ksize", "stride", "padding"), [(2, 2, "VALID"), (3, 2, "SAME"), (2, 1, "SAME")]
)
def test_the_places_of_the_largest_are_kept_on_request(ksize, stride, padding) -> None:
    """in_group_indices finds each output in its channel."""
    layer = MaxPoolingLayer(ksize, stride, padding, get_argmax_idx=True)
    x = torch.randn(2, 3, 6, 6)

    result = layer(x)

    found = x.flatten(2).gather(2, layer.in_group_indices.flatten(2)).reshape(result.shape)
    assert torch.equal(found, result)
    assert torch.equal(result, MaxPoolingLayer(ksize, stride, padding)(x))


def test_average_pooling_is_pooling_of_type_avg() -> None:
    """The named classes are the general one with its type."""
    x = torch.randn(2, 3, 7, 7)

    assert torch.equal(AveragePoolingLayer(3, 2, "SAME")(x), PoolingLayer(3, 2, "SAME", "avg")(x))
    assert MaxPoolingLayer(3).in_group_indices is None


def test_global_pooling_reduces_each_channel() -> None:
    """Mean or largest over height and width."""
    x = torch.randn(2, 3, 7, 5)

    torch.testing.assert_close(GlobalPoolingLayer()(x), x.mean(3).mean(2))
    assert torch.equal(GlobalPoolingLayer("max")(x), x.max(3).values.max(2).values)


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Each message names the block, what is known and what came in."""
    message = re.escape("p1: expected type to be one of ('avg', 'max'), got type='mean'")
    with pytest.raises(SetupError, match=message):
        PoolingLayer(2, type="mean", name="p1")
    with pytest.raises(SetupError, match=message):
        GlobalPoolingLayer("mean", name="p1")
    with pytest.raises(ShapeError, match="p1: expected an input of at least 3x3 pixels"):
        PoolingLayer(3, name="p1").setup(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ShapeError, match=r"shape \(N, C, H, W\)"):
        GlobalPoolingLayer().setup(torch.zeros(1, 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: PoolingLayer(2, 1, "SAME"),
        lambda: PoolingLayer(3, 2, "SAME", "avg"),
        lambda: MaxPoolingLayer(2, get_argmax_idx=True),
        GlobalPoolingLayer,
    ],
)
def test_pooling_keeps_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 3, 8, 8))
