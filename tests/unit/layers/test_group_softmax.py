import math
import re

import pytest
import torch
from scipy import special

from akid.errors import SetupError, ShapeError
from akid.layers.group_softmax import GroupSoftmaxLayer, SoftmaxNormalizationLayer


def test_softmax_normalization_is_a_softmax_in_each_group() -> None:
    """Neighbouring channels compete; each group sums up to 1."""
    x = torch.randn(2, 6, 4)

    result = SoftmaxNormalizationLayer(group_size=3)(x)

    expected = special.softmax(x.numpy().reshape(2, 2, 3, 4), axis=2).reshape(2, 6, 4)
    torch.testing.assert_close(result, torch.as_tensor(expected))


def test_a_group_competes_with_its_ground_state() -> None:
    """The share of a constant 1 is left out of the output."""
    x = torch.randn(2, 4, 3)

    result = GroupSoftmaxLayer(group_size=2)(x)

    e = x.exp()
    torch.testing.assert_close(result[:, 2], e[:, 2] / (e[:, 2] + e[:, 3] + math.e))


def test_a_group_of_one_is_a_sigmoid() -> None:
    """The smallest group degenerates to the logistic function."""
    x = torch.randn(2, 4)

    torch.testing.assert_close(GroupSoftmaxLayer(group_size=1)(x), torch.sigmoid(x))


def test_groups_come_and_go_as_lists() -> None:
    """A list has one group in each tensor; concat_output=False gives a list."""
    x = torch.randn(2, 6, 3)
    whole = GroupSoftmaxLayer(group_size=3)(x)
    parts = list(x.split(3, 1))

    torch.testing.assert_close(GroupSoftmaxLayer(group_size=3)(parts), whole)
    for layer, given in ((3, x), (1, parts)):
        groups = GroupSoftmaxLayer(group_size=layer, concat_output=False)(given)
        assert isinstance(groups, list)
        torch.testing.assert_close(torch.cat(groups, 1), whole)


@pytest.mark.parametrize("kind", [SoftmaxNormalizationLayer, GroupSoftmaxLayer])
def test_the_temperature_is_learnt_from_ten_on(kind) -> None:
    """Values are divided by it before they compete."""
    x = torch.randn(2, 4)
    layer = kind(group_size=4, use_temperature=True)

    torch.testing.assert_close(layer(x), kind(group_size=4)(x / 10))
    assert [(name, p.item()) for name, p in layer.named_parameters()] == [("temperature", 10.0)]
    parts = GroupSoftmaxLayer(use_temperature=True)
    torch.testing.assert_close(parts([x]), GroupSoftmaxLayer()([x / 10]))


def test_wrong_groups_are_refused() -> None:
    """The channels must divide, and a list must have a group."""
    with pytest.raises(
        ShapeError, match=re.escape("C a multiple of group_size=4, got shape (2, 6)")
    ):
        GroupSoftmaxLayer().setup(torch.zeros(2, 6))
    with pytest.raises(SetupError, match="one tensor a group, got an empty list"):
        GroupSoftmaxLayer().setup([])


@pytest.mark.parametrize(
    "make",
    [
        SoftmaxNormalizationLayer,
        GroupSoftmaxLayer,
        lambda: GroupSoftmaxLayer(use_temperature=True, concat_output=False),
    ],
)
def test_group_softmax_keeps_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 8, 3, 3))
