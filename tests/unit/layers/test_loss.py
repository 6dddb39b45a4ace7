import copy
import pickle
import re

import numpy as np
import pytest
import torch
from scipy import special

from akid.errors import SetupError, ShapeError
from akid.layers.loss import LossLayer, MSELossLayer, SoftmaxWithLossLayer

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0], [1.0, 0.0, -2.0], [0.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 1, 0, 2])
CROSS_ENTROPY = -special.log_softmax(LOGITS.numpy(), axis=1)[np.arange(4), LABELS.numpy()].mean()
ONE_HOT = torch.eye(3)[LABELS]


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.int(), LABELS.float(), ONE_HOT, ONE_HOT.long(), ONE_HOT.double()]
)
def test_numbers_of_classes_and_one_hot_labels_mean_the_same(labels) -> None:
    """The mean cross entropy and the accuracy do not depend on how labels are written."""
    loss = SoftmaxWithLossLayer(class_num=3)

    assert loss([LOGITS, labels]).item() == pytest.approx(CROSS_ENTROPY)
    assert loss.evals["accuracy"].item() == 0.75


def test_dense_labels_are_distributions() -> None:
    """The loss is the expected surprise; the accuracy takes the most probable class."""
    labels = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.0, 0.0, 1.0]])
    loss = SoftmaxWithLossLayer(class_num=3)

    expected = -(labels.numpy() * special.log_softmax(LOGITS.numpy(), axis=1)).sum(1).mean()

    assert loss([LOGITS, labels]).item() == pytest.approx(expected)
    assert loss.evals["accuracy"].item() == 0.75


def test_a_map_of_logits_has_a_map_of_labels() -> None:
    """Each place of (N, K, H, W) is classified by itself."""
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    loss = SoftmaxWithLossLayer(class_num=3)
    flat = SoftmaxWithLossLayer(class_num=3)

    rows = logits.permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(loss([logits, labels]), flat([rows, labels.flatten()]))
    assert loss.evals["accuracy"] == flat.evals["accuracy"]


def test_the_multiplied_loss_is_what_comes_out() -> None:
    """forward returns what `loss` keeps: multiplied once, with its graph."""
    logits = LOGITS.clone().requires_grad_()
    loss = SoftmaxWithLossLayer(class_num=3, multiplier=0.5)

    result = loss([logits, LABELS])

    assert result is loss.loss
    assert result.item() == pytest.approx(CROSS_ENTROPY / 2)
    result.backward()
    assert logits.grad is not None


def test_metrics_are_computed_when_they_are_read_and_are_detached() -> None:
    """Before any call and after forget there are none."""
    loss = SoftmaxWithLossLayer(class_num=3)
    assert loss.evals == {}

    loss([LOGITS.clone().requires_grad_(), LABELS])
    assert not loss.evals["accuracy"].requires_grad

    loss.forget()
    assert loss.evals == {}
    assert loss.loss is None


def test_a_loss_layer_is_copied_without_its_last_call() -> None:
    """A loss with a graph hinders neither copying nor pickling."""
    loss = SoftmaxWithLossLayer(class_num=3)
    loss([LOGITS.clone().requires_grad_(), LABELS])

    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert other.loss is None
        assert other.evals == {}
        assert other([LOGITS, LABELS]).item() == pytest.approx(CROSS_ENTROPY)
    assert loss.loss is not None


def test_wrong_inputs_of_softmax_are_refused_at_setup() -> None:
    """Each message has both shapes."""
    loss = SoftmaxWithLossLayer(class_num=10, name="loss")
    with pytest.raises(
        ShapeError, match=re.escape("logits of shape (N, class_num=10), got shape (4, 3).")
    ):
        loss.setup([LOGITS, LABELS])
    with pytest.raises(
        ShapeError, match=re.escape("labels of shape (4,) (numbers of classes) or (4, 3)")
    ):
        SoftmaxWithLossLayer(class_num=3).setup([LOGITS, LABELS[:, None]])
    with pytest.raises(SetupError, match=re.escape("[logits, labels], got one tensor")):
        loss.setup(LOGITS)
    with pytest.raises(SetupError, match="class_num of 1 or more, got class_num=0"):
        SoftmaxWithLossLayer(class_num=0)


@pytest.mark.parametrize(("size_average", "expected"), [(True, 2.5), (False, 5.0)])
def test_mse_is_the_mean_or_the_sum_of_squares(size_average, expected) -> None:
    """size_average is heeded; whole-number targets are fine."""
    loss = MSELossLayer(size_average=size_average, multiplier=2.0)

    assert loss([torch.tensor([1.0, 4.0]), torch.tensor([2, 2])]).item() == 2 * expected


def test_mse_does_not_broadcast() -> None:
    """(N, 1) against (N,) is a mistake, not N x N differences."""
    with pytest.raises(ShapeError, match=re.escape("got prediction (4, 1), target (4,).")):
        MSELossLayer().setup([torch.zeros(4, 1), torch.zeros(4)])


def test_an_own_loss_gives_its_formula_only() -> None:
    """A subclass of LossLayer needs _loss and nothing else."""

    class Largest(LossLayer):
        def _loss(self, *inputs):
            return inputs[0].max()

    loss = Largest(multiplier=3.0)

    assert loss([LOGITS]).item() == 9.0
    assert loss.evals == {}


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda: SoftmaxWithLossLayer(class_num=3), [LOGITS, LABELS]),
        (lambda: SoftmaxWithLossLayer(class_num=3), [LOGITS, ONE_HOT]),
        (MSELossLayer, [LOGITS, ONE_HOT]),
    ],
)
def test_losses_keep_the_layer_contract(check_layer, make, inputs) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, inputs)
