import re

import numpy as np
import pytest
import torch
from scipy import special

from akid.errors import ShapeError
from akid.layers.binary_loss import BCELossLayer

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 30.0]])
LABELS = torch.tensor([[1, 0], [0, 1]])


@pytest.mark.parametrize("pos_weight", [None, [3.0, 0.5]])
def test_it_is_the_mean_surprise(pos_weight) -> None:
    """-(w t log p + (1 - t) log(1 - p)) of p = sigmoid(logit), for whole-number labels too."""
    log_p, log_not_p = special.log_expit(LOGITS.numpy()), special.log_expit(-LOGITS.numpy())
    weight = 1 if pos_weight is None else np.array(pos_weight)
    inputs = [LOGITS, LABELS] + ([] if pos_weight is None else [torch.tensor(pos_weight)])

    expected = -(weight * LABELS.numpy() * log_p + (1 - LABELS.numpy()) * log_not_p).mean()

    assert BCELossLayer(multiplier=2.0)(inputs).item() == pytest.approx(2 * expected)


def test_labels_of_another_shape_are_refused() -> None:
    """Nothing is broadcast but pos_weight."""
    with pytest.raises(ShapeError, match=re.escape("got logits (2, 2), labels (2,)")):
        BCELossLayer().setup([LOGITS, LABELS[0]])


def test_binary_loss_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(BCELossLayer, [LOGITS, LABELS])
