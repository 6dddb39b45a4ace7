"""Parameters in a store are texts, and come back as what they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.tuning.literal import literal
from akid.tuning.parameter_text import read, write

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
literals_as_strings = values.map(literal)


@given(values | literals_as_strings)
def test_a_value_comes_back(value) -> None:
    """With its type, be it a string that looks like a number, a NaN or a nested list."""
    assert literal(read(write(value))) == literal(value)


@pytest.mark.parametrize("value", ["relu", "a b", "", "3e", "float", "conv1/weights", "nan", "-"])
def test_a_string_stands_as_it_is(value) -> None:
    """Quotes come only where they are needed."""
    assert write(value) == value


def test_very_long_values_stay_apart() -> None:
    """Of each the begin is kept, and a hash that tells it from others that begin alike."""
    first, second = (write(["x" * 7000, n]) for n in range(2))

    assert len(first) == len(second) == 6000
    assert first != second
    assert read(first) == first
