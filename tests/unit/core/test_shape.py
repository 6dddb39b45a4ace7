import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.core.shape import (
    check_window_fits,
    output_size,
    same_padding,
    to_length,
    to_padding,
    to_pair,
)
from akid.errors import SetupError, ShapeError


@pytest.mark.parametrize("size", [5, [5, 5], (5, 5), [1, 5, 5, 1], np.int64(5), [np.int32(5), 5]])
def test_the_documented_forms_of_a_size_mean_the_same(size) -> None:
    """An int, a pair and the four-element form give (height, width)."""
    assert to_pair(size, who="conv1", what="ksize") == (5, 5)


@pytest.mark.parametrize(
    "size", [0, -1, [5], [5, 0], [2, 5, 5, 1], 2.0, [1, 2, 3], "55", True, None]
)
def test_other_forms_of_a_size_are_refused_with_what_came_in(size) -> None:
    """The error names the block, the argument and the value."""
    with pytest.raises(SetupError, match=re.escape(f"got ksize={size!r}.")) as caught:
        to_pair(size, who="conv1", what="ksize")

    assert str(caught.value).startswith("conv1: expected ksize as")


@pytest.mark.parametrize("size", [3, [3], [1, 3, 1]])
def test_a_one_dimensional_size_has_three_forms(size) -> None:
    """An int, a list of one and the three-element form give the number."""
    assert to_length(size, who="conv1", what="ksize") == 3


def test_a_wrong_one_dimensional_size_is_refused() -> None:
    """A pair is no length."""
    with pytest.raises(SetupError, match=re.escape("got ksize=[3, 3]")):
        to_length([3, 3], who="conv1", what="ksize")


def test_unknown_padding_lists_the_known_ones() -> None:
    """Padding is SAME or VALID, spelt so."""
    assert to_padding("SAME", who="conv1") == "SAME"
    with pytest.raises(SetupError, match=r"one of \('SAME', 'VALID'\), got padding='FULL'"):
        to_padding("FULL", who="conv1")


@pytest.mark.parametrize(
    ("size_px", "ksize", "stride", "dilation", "expected"),
    [
        (4, 3, 2, 1, (0, 1)),
        (28, 5, 1, 1, (2, 2)),
        (5, 3, 2, 1, (1, 1)),
        (7, 1, 2, 1, (0, 0)),
        (8, 3, 1, 2, (2, 2)),
    ],
)
def test_same_padding_puts_the_odd_pixel_after(size_px, ksize, stride, dilation, expected) -> None:
    """TensorFlow's SAME: as little as needed, the extra one to the right and below."""
    assert same_padding(size_px, ksize, stride, dilation) == expected


@given(
    size_px=st.integers(1, 64),
    ksize=st.integers(1, 9),
    stride=st.integers(1, 5),
    dilation=st.integers(1, 3),
)
def test_same_padding_is_the_least_that_gives_the_promised_size(
    size_px, ksize, stride, dilation
) -> None:
    """A VALID window over the padded side gives ceil(size / stride), one pixel less does not."""
    before, after = same_padding(size_px, ksize, stride, dilation)
    promised = -(-size_px // stride)

    assert output_size(size_px, ksize, stride, "SAME", dilation) == promised
    assert (
        output_size(size_px + before + after, ksize, stride, "VALID", dilation) == promised
        or not after
    )
    assert after - before in (0, 1)
    if after:
        assert (
            output_size(size_px + before + after - 1, ksize, stride, "VALID", dilation) < promised
        )


def test_a_valid_window_larger_than_its_input_is_refused() -> None:
    """The message gives both sizes and what to do; SAME never has this problem."""
    check_window_fits((4, 9), (5, 5), "SAME", who="conv1")
    check_window_fits((5, 9), (3, 5), "VALID", who="conv1", dilation=(2, 2))
    with pytest.raises(
        ShapeError, match="at least 5x5 pixels for a VALID window of that size, got 4x9"
    ):
        check_window_fits((4, 9), (5, 5), "VALID", who="conv1")
