import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.inputs import image, one_tensor, several, tensor_of_rank


def test_a_layer_of_one_input_refuses_a_list() -> None:
    """The message says what came in and how to name the wanted one."""
    x = torch.zeros(2)

    assert one_tensor(x, who="relu1") is x
    with pytest.raises(
        SetupError, match=re.escape("relu1: expected one tensor, got list of 2. Name")
    ):
        one_tensor([x, x], who="relu1")


def test_the_number_of_dimensions_is_checked() -> None:
    """The message gives the layouts that fit and the shape that came in."""
    assert image(torch.zeros(2, 3, 4, 4), who="conv1").shape == (2, 3, 4, 4)
    with pytest.raises(
        ShapeError, match=re.escape("of shape (N, C) or (N, C, L), got shape (2,).")
    ):
        tensor_of_rank(torch.zeros(2), 2, 3, who="bn1")


def test_several_inputs_are_checked_by_number() -> None:
    """Optional ones may be missing; the message names each in order."""
    x = torch.zeros(2)

    assert len(several([x, x], "a", "b", who="loss")) == 2
    assert len(several((x, x), "a", "b", "c", who="loss", optional=1)) == 2
    with pytest.raises(SetupError, match=re.escape("[a, b[, c]], got one tensor of shape (2,)")):
        several(x, "a", "b", "c", who="loss", optional=1)
    with pytest.raises(SetupError, match=re.escape("[a, b], got list of 1")):
        several([x], "a", "b", who="loss")
    with pytest.raises(SetupError, match="got inputs=None"):
        several(None, "a", "b", who="loss")
