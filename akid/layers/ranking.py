"""Ranking: how well scores put the positives before the negatives. Pure functions of tensors."""
# Shape legend: N = samples, L = labels.

import torch
from torch import Tensor


def average_precision(scores: Tensor, is_positive: Tensor) -> Tensor:
    """Return the average precision of each label: the mean precision at each positive's recall.

    Samples of one score are taken together.

    Args:
        scores: The higher, the more probable.
        is_positive: Which samples have the label.

    Shape:
        scores: `(N, L)`.
        is_positive: `(N, L)`.

    Returns:
        `(L,)` float64; NaN for a label that no sample has.

    >>> average_precision(torch.tensor([[0.9], [0.8], [0.1]]), torch.tensor([[1], [0], [1]]))
    tensor([0.8333], dtype=torch.float64)
    """
    columns = zip(scores.unbind(1), (is_positive != 0).unbind(1), strict=True)
    return torch.stack([_average_precision(*column) for column in columns])


def area_under_curve(scores: Tensor, is_positive: Tensor) -> Tensor:
    """Return the area under the ROC curve of each label.

    That is how often a positive scores higher than a negative, where a tie counts half.

    Args:
        scores: The higher, the more probable.
        is_positive: Which samples have the label.

    Shape:
        scores: `(N, L)`.
        is_positive: `(N, L)`.

    Returns:
        `(L,)` float64; NaN for a label that no sample, or every sample, has.

    >>> area_under_curve(torch.tensor([[0.9], [0.8], [0.1]]), torch.tensor([[1], [0], [1]]))
    tensor([0.5000], dtype=torch.float64)
    """
    columns = zip(scores.unbind(1), (is_positive != 0).unbind(1), strict=True)
    return torch.stack([_area_under_curve(*column) for column in columns])


def _average_precision(scores: Tensor, is_positive: Tensor) -> Tensor:
    ranked, order = scores.sort(descending=True)
    hits = is_positive[order].cumsum(0).to(torch.float64)
    places = torch.arange(1, len(ranked) + 1, device=scores.device)
    ends_a_tie = torch.ones_like(ranked, dtype=torch.bool)
    ends_a_tie[:-1] = ranked[:-1] != ranked[1:]
    hits, places = hits[ends_a_tie], places[ends_a_tie]
    gained = torch.diff(hits, prepend=hits.new_zeros(1))
    return (gained * hits / places).sum() / hits[-1]


def _area_under_curve(scores: Tensor, is_positive: Tensor) -> Tensor:
    positives, negatives = scores[is_positive], scores[~is_positive].sort().values
    below = torch.searchsorted(negatives, positives)
    not_above = torch.searchsorted(negatives, positives, right=True)
    return (below + not_above).sum().to(torch.float64) / (2 * len(positives) * len(negatives))
