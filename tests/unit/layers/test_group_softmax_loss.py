import re

import numpy as np
import pytest
import torch
from scipy import special

from akid.errors import SetupError, ShapeError
from akid.layers.group_softmax_loss import GroupSoftmaxWithLossLayer

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 0.0, 3.0, 0.1], [0.0, 1.0, 3.0, 2.0, 0.2, -1.0]])
LABELS = torch.tensor([0, 2])
VECTORS = torch.tensor([[1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0, 1]])


def test_it_is_the_mean_cross_entropy_of_the_groups() -> None:
    """Each group of three competes with a ground state of 1."""
    values = np.concatenate([LOGITS.numpy().reshape(2, 2, 3), np.ones((2, 2, 1))], 2)
    expected = (
        -(VECTORS.numpy().reshape(2, 2, 4) * special.log_softmax(values, axis=2)).sum(2).mean()
    )

    loss = GroupSoftmaxWithLossLayer(class_num=6, group_size=3, multiplier=2.0)

    assert loss([LOGITS, LABELS, VECTORS]).item() == pytest.approx(2 * expected)
    assert {name: value.item() for name, value in loss.evals.items()} == {"accuracy": 0.5}


def test_augmented_labels_are_counted_apart() -> None:
    """Among the first channels, the classes', and among all."""
    loss = GroupSoftmaxWithLossLayer(class_num=3, group_size=3, augment_label=True)
    loss([LOGITS, LABELS, VECTORS])

    assert {name: value.item() for name, value in loss.evals.items()} == {
        "accuracy": 1.0,
        "all_label_accuracy": 0.5,
    }


def test_wrong_shapes_are_refused() -> None:
    """The message gives the shapes that fit."""
    with pytest.raises(
        ShapeError, match=re.escape("and vectors (N, 8), got shapes [(2, 6), (2,), (2, 6)]")
    ):
        GroupSoftmaxWithLossLayer(class_num=6, group_size=3).setup([LOGITS, LABELS, LOGITS])
    with pytest.raises(ShapeError, match=re.escape("(N, C) with C class_num=5")):
        GroupSoftmaxWithLossLayer(class_num=5, group_size=3).setup([LOGITS, LABELS, VECTORS])
    with pytest.raises(ShapeError, match="C more than class_num=6"):
        GroupSoftmaxWithLossLayer(class_num=6, group_size=3, augment_label=True).setup(
            [LOGITS, LABELS, VECTORS]
        )
    with pytest.raises(SetupError, match="class_num of 1 or more"):
        GroupSoftmaxWithLossLayer(class_num=0, group_size=3)


def test_group_softmax_loss_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(
        lambda: GroupSoftmaxWithLossLayer(class_num=6, group_size=3), [LOGITS, LABELS, VECTORS]
    )
