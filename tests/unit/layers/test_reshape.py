import re

import pytest
import torch

from akid.errors import ShapeError
from akid.layers.reshape import ReshapeLayer


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({}, (2, 3, 4), (2, 12)),
        ({}, (1, 3, 1, 1), (1, 3)),
        ({"shape": [4, 3]}, (2, 12), (2, 4, 3)),
        ({"shape": [4, -1]}, (1, 12), (1, 4, 3)),
        ({"shape": [3, 1, 1]}, (1, 3), (1, 3)),
        ({"shape": [3, 1, 1], "squeeze": False}, (1, 3), (1, 3, 1, 1)),
        ({"shape": [1]}, (2, 1), (2,)),
    ],
)
def test_each_sample_gets_its_shape_and_the_batch_stays(options, shape, expected) -> None:
    """None flattens; sizes of 1 go unless squeeze is off; a batch of one stays a batch."""
    x = torch.randn(shape)
    layer = ReshapeLayer(**options)

    assert layer(x).shape == expected
    assert torch.equal(layer(x).flatten(), x.flatten())
    assert layer(torch.cat([x, x])).shape == (2 * shape[0], *expected[1:])


def test_a_shape_that_does_not_fit_is_refused_at_setup() -> None:
    """The message has both shapes."""
    with pytest.raises(ShapeError, match=re.escape("shape=(5, 2), got shape (2, 12).")):
        ReshapeLayer([5, 2]).setup(torch.zeros(2, 12))


def test_reshape_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: ReshapeLayer([4, -1]), torch.randn(2, 12))
