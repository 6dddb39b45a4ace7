import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from akid.layers.ranking import area_under_curve, average_precision


@settings(max_examples=80, deadline=None)
@given(
    samples=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30),
)
def test_rankings_equal_scikit_learn_with_ties(samples) -> None:
    """Few distinct scores make many ties; labels of one kind only are NaN."""
    scores = torch.tensor([[score / 5] for score, _ in samples])
    labels = torch.tensor([[label] for _, label in samples])

    precision, area = average_precision(scores, labels), area_under_curve(scores, labels)

    truth, given_scores = labels[:, 0].numpy(), scores[:, 0].numpy()
    if truth.any():
        expected = average_precision_score(truth, given_scores)
        assert precision.item() == pytest.approx(expected, rel=1e-9)
    else:
        assert precision.isnan()
    if truth.any() and not truth.all():
        assert area.item() == pytest.approx(roc_auc_score(truth, given_scores), rel=1e-9)
    else:
        assert area.isnan()


def test_each_label_is_ranked_by_itself() -> None:
    """A column does not depend on its neighbours."""
    rng = np.random.default_rng(0)
    scores, labels = (
        torch.as_tensor(rng.random((40, 3))),
        torch.as_tensor(rng.random((40, 3)) > 0.7),
    )

    for rank in (average_precision, area_under_curve):
        alone = [rank(scores[:, [k]], labels[:, [k]]) for k in range(3)]
        torch.testing.assert_close(rank(scores, labels), torch.cat(alone))
