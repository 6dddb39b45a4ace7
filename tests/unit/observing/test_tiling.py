import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import SetupError
from akid.observing.tiling import TYPES, Layout, fold, grid_of, mosaic, tile, to_layout

counts = st.integers(1, 40)
layouts = st.builds(Layout, type=st.sampled_from(TYPES), num=st.integers(1, 50))


@given(num=counts, channels=st.integers(1, 4), side=st.integers(1, 4), layout=layouts)
def test_every_value_of_every_filter_is_on_the_page_once(
    num: int, channels: int, side: int, layout: Layout
) -> None:
    """No layout loses a pixel, doubles one or lets filters overlap."""
    size = num * channels * side * side
    filters = np.arange(size, dtype=np.float32).reshape(num, channels, side, side)

    page = tile(filters, None, layout)

    assert sorted(page[np.isfinite(page)]) == sorted(filters.ravel())


@given(num=counts, columns=st.integers(1, 50))
def test_normal_has_num_columns_and_one_more_for_the_remainder(num: int, columns: int) -> None:
    """As far as there are so many filters to share out evenly."""
    rows, given_columns = grid_of(num, Layout(num=columns), height_px=4, width_px=4)

    assert rows == max(num // columns, 1)
    assert given_columns == math.ceil(num / rows)
    assert given_columns == columns + (num % columns > 0) or num < columns * (columns + 1)


@given(num=counts, rows=st.integers(1, 50))
def test_inverse_has_num_filters_in_a_column(num: int, rows: int) -> None:
    """The last column has what remains."""
    layout = Layout(type="inverse", num=rows)

    assert grid_of(num, layout, height_px=4, width_px=4) == (min(rows, num), -(-num // rows))


def test_dynamic_makes_the_page_most_nearly_a_square() -> None:
    """Flat strips are stacked, narrow ones stand side by side."""
    layout = Layout(type="dynamic")

    assert grid_of(16, layout, height_px=5, width_px=20) == (8, 2)
    assert grid_of(16, layout, height_px=20, width_px=5) == (2, 8)


def test_a_strip_is_channels_side_by_side_and_the_bias_at_the_end() -> None:
    """One pixel lies between channels; further filters follow below."""
    filters = np.array([[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]]], np.float32)
    biases = np.array([-1, -2], np.float32)

    page = tile(filters, biases, Layout())

    nan = np.nan
    expected = [[1, 2, nan, 3, 4, nan, -1], [5, 6, nan, 7, 8, nan, -2]]
    assert np.array_equal(page, expected, equal_nan=True)


def test_square_shows_all_channels_and_no_biases() -> None:
    """Two filters of two channels make two by two tiles."""
    page = tile(np.ones((2, 2, 3, 3), np.float32), np.full(2, 9, np.float32), Layout(type="square"))

    assert page.shape == (7, 7)
    assert np.nanmax(page) == 1


@given(num=st.integers(1, 200))
def test_a_folded_vector_keeps_its_order(num: int) -> None:
    """Lines are read as text is."""
    page = fold(np.arange(num, dtype=np.float32))

    assert page.ravel()[:num].tolist() == list(range(num))
    assert 0 <= page.shape[1] - page.shape[0] <= 1


def test_a_mosaic_of_one_is_the_image() -> None:
    """There is nothing to keep apart."""
    assert np.array_equal(mosaic(np.ones((1, 2, 3), np.float32)), np.ones((2, 3)))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "sqare"}, ("got type='sqare'; known: 'normal', 'inverse', 'dynamic', 'square'."
         " Did you mean 'square'?")),
        ({"type": "normal", "num": 0}, "expected num of 1 or more, got num=0"),
        ({"num": 2}, "got layout={'num': 2}"),
        ("square", "got layout='square'"),
    ],
)  # fmt: skip
def test_a_wrong_layout_is_an_error_that_says_what_is_known(
    description: object, message: str
) -> None:
    """Types, numbers and forms."""
    with pytest.raises(SetupError, match=re.escape(message)):
        to_layout(description)
