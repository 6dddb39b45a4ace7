import re

import pytest
import torch
from sklearn.metrics import roc_auc_score, top_k_accuracy_score

from akid.errors import SetupError, ShapeError
from akid.layers.evaluation import (
    AccuracyLayer,
    AUCLayer,
    BinaryAccuracy,
    BinaryAccuracyLayer,
    EvalLayer,
    MultiLabelAccuracy,
    MultiLabelAccuracyLayer,
    TopKAccuracyLayer,
)


def evals(layer, *inputs):
    assert layer(list(inputs)) is inputs[0]
    assert layer.loss is None
    return {name: value.item() for name, value in layer.evals.items()}


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_accuracy_counts_the_right_class_among_the_most_probable(top_k) -> None:
    """As scikit-learn counts, for numbers of classes and one-hot labels alike."""
    scores, labels = torch.rand(50, 6), torch.randint(6, (50,))
    expected = top_k_accuracy_score(labels, scores, k=top_k, labels=range(6))
    name = "accuracy" if top_k == 1 else f"top{top_k}_accuracy"

    assert evals(AccuracyLayer(top_k), scores, labels) == {name: pytest.approx(expected)}
    assert evals(TopKAccuracyLayer(top_k), scores, torch.eye(6)[labels]) == {
        name: pytest.approx(expected)
    }


def test_a_map_of_scores_has_a_map_of_labels() -> None:
    """Each place counts as a sample."""
    labels = torch.randint(3, (2, 4, 4))
    scores = torch.eye(3)[labels].permute(0, 3, 1, 2)

    assert evals(AccuracyLayer(), scores, labels) == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("hinge", "predictions", "labels"),
    [(False, [0.7, 0.2, 0.4, 0.9], [1, 0, 1, 0]), (True, [0.2, -3.0, -0.1, 0.3], [1, -1, 1, -1])],
)
def test_binary_accuracy_has_its_threshold(hinge, predictions, labels) -> None:
    """0.5 for labels of 0 and 1, 0 for labels of ±1."""
    layer = BinaryAccuracyLayer(hinge_loss_label=hinge)

    assert evals(layer, torch.tensor(predictions), torch.tensor(labels)) == {"binary_accuracy": 0.5}


def test_labels_without_a_positive_do_not_count() -> None:
    """The mean is over the labels that occur."""
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.3]])
    labels = torch.tensor([[1, 0], [0, 0], [1, 0]])

    assert evals(MultiLabelAccuracyLayer(), scores, labels) == {
        "mean_average_precision": pytest.approx(5 / 6)
    }
    assert evals(AUCLayer(), scores, labels) == {"auc": 0.5}


def test_auc_of_each_label_on_request() -> None:
    """The areas equal scikit-learn's; labels may be ±1."""
    scores, labels = torch.rand(40, 2), torch.randint(2, (40, 2)) * 2 - 1

    result = evals(AUCLayer(return_average_auc=False), scores, labels)

    assert result == {
        f"auc_{k}": pytest.approx(roc_auc_score(labels[:, k], scores[:, k])) for k in range(2)
    }


def test_wrong_inputs_are_refused() -> None:
    """Each message names the block and what came in."""
    with pytest.raises(
        SetupError, match=re.escape("eval1: expected a list of tensors [predictions")
    ):
        EvalLayer(name="eval1").setup(torch.zeros(2))
    with pytest.raises(SetupError, match="top_k of 1 or more, got top_k=0"):
        AccuracyLayer(0)
    with pytest.raises(ShapeError, match=re.escape("K of top_k=5 or more")):
        TopKAccuracyLayer().setup([torch.zeros(2, 3), torch.zeros(2)])
    with pytest.raises(ShapeError, match=re.escape("got (2, 3) and (3,)")):
        AccuracyLayer().setup([torch.zeros(2, 3), torch.zeros(3)])
    with pytest.raises(ShapeError, match=re.escape("(N,) or (N, L), got (2, 3, 4)")):
        AUCLayer().setup([torch.zeros(2, 3, 4)] * 2)


def test_the_short_names_mean_the_same() -> None:
    """MultiLabelAccuracy and BinaryAccuracy are the layers' older names."""
    assert MultiLabelAccuracy is MultiLabelAccuracyLayer
    assert BinaryAccuracy is BinaryAccuracyLayer


@pytest.mark.parametrize(
    "make", [AccuracyLayer, BinaryAccuracyLayer, MultiLabelAccuracyLayer, AUCLayer]
)
def test_evaluation_keeps_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, [torch.rand(6, 3), torch.randint(2, (6, 3))])
