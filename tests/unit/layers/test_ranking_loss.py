import re

import pytest
import torch

from akid.errors import ShapeError
from akid.layers.ranking_loss import MarginRankingLossLayer


def test_vectors_are_compared_each_with_each() -> None:
    """(P,) positives against (Q,) negatives are P * Q pairs, also where P equals Q."""
    positives, negatives = torch.tensor([2.0, 0.0]), torch.tensor([1.5, -3.0])

    loss = MarginRankingLossLayer(margin=1.0)([positives, negatives])

    assert loss.item() == pytest.approx((0.5 + 0 + 2.5 + 0) / 4)


def test_matrices_are_compared_pair_by_pair() -> None:
    """Equal shapes: one negative for each positive; one more dimension: K for each."""
    positives, negatives = torch.randn(3, 4), torch.randn(3, 4, 5)
    layer = MarginRankingLossLayer(margin=0.5)
    by_hand = [
        max(0.0, 0.5 - (positives[i, j] - negatives[i, j, k]).item())
        for i in range(3)
        for j in range(4)
        for k in range(5)
    ]

    assert layer([positives, negatives]).item() == pytest.approx(sum(by_hand) / 60, rel=1e-5)
    torch.testing.assert_close(
        layer([positives, negatives[..., 0]]), layer([positives, negatives[..., :1]])
    )


def test_hard_sample_mining_averages_over_violations_only() -> None:
    """Pairs with enough margin do not dilute; without any violation the loss is 0."""
    layer = MarginRankingLossLayer(margin=1.0, hard_sample_mining=True)

    assert layer([torch.tensor([2.0]), torch.tensor([1.5, -3.0])]).item() == pytest.approx(0.5)
    assert layer([torch.tensor([9.0]), torch.tensor([1.5, -3.0])]).item() == 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    """The message has both."""
    with pytest.raises(ShapeError, match=re.escape("got shapes (3, 4) and (4, 3).")):
        MarginRankingLossLayer(1.0).setup([torch.zeros(3, 4), torch.zeros(4, 3)])


def test_ranking_loss_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: MarginRankingLossLayer(1.0), [torch.randn(4), torch.randn(3)])
