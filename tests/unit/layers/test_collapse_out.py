import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.collapse_out import CollapseOutLayer


@pytest.mark.parametrize(("kind", "reduce"), [("maxout", torch.amax), ("average_out", torch.mean)])
def test_groups_of_neighbouring_channels_are_reduced(kind, reduce) -> None:
    """Output channel i is the largest, or the mean, of channels i*g to (i+1)*g."""
    x = torch.randn(2, 6, 4, 4)

    result = CollapseOutLayer(group_size=3, type=kind)(x)

    assert result.shape == (2, 2, 4, 4)
    torch.testing.assert_close(result[:, 1], reduce(x[:, 3:6], 1))


def test_a_list_has_one_group_in_each_tensor() -> None:
    """Groups may differ in size; each becomes one channel."""
    parts = [torch.randn(2, 3, 4), torch.randn(2, 2, 4)]

    result = CollapseOutLayer()(parts)

    assert torch.equal(result, torch.stack([part.amax(1) for part in parts], 1))
    with pytest.raises(SetupError, match="one tensor a group, got an empty list"):
        CollapseOutLayer().setup([])


def test_the_documented_defaults() -> None:
    """Maxout over groups of four."""
    assert CollapseOutLayer()(torch.arange(8.0)[None]).tolist() == [[3.0, 7.0]]


def test_wrong_groups_are_refused() -> None:
    """Each message names the block, what is expected and what came in."""
    with pytest.raises(
        ShapeError, match=re.escape("C a multiple of group_size=4, got shape (2, 6)")
    ):
        CollapseOutLayer().setup(torch.zeros(2, 6))
    with pytest.raises(SetupError, match="expected group_size of 1 or more, got group_size=0"):
        CollapseOutLayer(group_size=0).setup(torch.zeros(2, 6))
    with pytest.raises(
        SetupError, match=re.escape("one of ('average_out', 'maxout'), got type='max'")
    ):
        CollapseOutLayer(type="max")


def test_collapse_out_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: CollapseOutLayer(2), torch.randn(2, 4, 3, 3))
