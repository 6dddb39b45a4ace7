import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.merge import MergeLayer

BRANCHES = [torch.tensor([[1.0, -5.0]]), torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 0.5]])]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sum", [[7.0, -1.5]]),
        ("max", [[4.0, 3.0]]),
        ("product", [[8.0, -7.5]]),
        ("concat", [[1.0, -5.0, 2.0, 3.0, 4.0, 0.5]]),
    ],
)
def test_branches_are_merged_and_stay_as_they_are(kind, expected) -> None:
    """The first input is not overwritten, and gradients reach all."""
    branches = [branch.clone().requires_grad_() for branch in BRANCHES]

    result = MergeLayer(type=kind)(branches)
    result.sum().backward()

    assert result.tolist() == expected
    assert all(torch.equal(a, b) for a, b in zip(branches, BRANCHES, strict=True))
    assert all(branch.grad is not None for branch in branches)


def test_the_default_is_the_sum_and_one_branch_passes() -> None:
    """A single branch needs no merging."""
    assert torch.equal(MergeLayer()(BRANCHES[:2]), BRANCHES[0] + BRANCHES[1])
    assert MergeLayer()([BRANCHES[0]]) is BRANCHES[0]
    assert MergeLayer()(BRANCHES[0]) is BRANCHES[0]


def test_concat_takes_branches_of_other_channels() -> None:
    """Channels add up."""
    assert MergeLayer("concat")([torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4)]).shape[1] == 8


def test_branches_that_do_not_fit_are_refused_at_setup() -> None:
    """The message has all shapes; nothing is broadcast."""
    with pytest.raises(
        ShapeError, match=re.escape("merge1: expected inputs of one shape, got [(2, 3), (2, 1)].")
    ):
        MergeLayer(name="merge1").setup([torch.zeros(2, 3), torch.zeros(2, 1)])
    with pytest.raises(ShapeError, match="one shape but for the channels"):
        MergeLayer("concat").setup([torch.zeros(2, 3), torch.zeros(3, 3)])
    with pytest.raises(ShapeError, match="one shape but for the channels"):
        MergeLayer("concat").setup([torch.zeros(2), torch.zeros(2)])
    with pytest.raises(SetupError, match="expected a list of tensors, got inputs=None"):
        MergeLayer().setup(None)
    with pytest.raises(
        SetupError, match=re.escape("('sum', 'max', 'product', 'concat'), got type='mean'")
    ):
        MergeLayer("mean")


@pytest.mark.parametrize("kind", ["sum", "max", "product", "concat"])
def test_merge_keeps_the_layer_contract(check_layer, kind) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: MergeLayer(kind), [torch.randn(2, 3), torch.randn(2, 3)])
