import re

import pytest
import torch

from akid.core.regularizers import L1, L2, from_description
from akid.errors import SetupError


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({"type": "l2", "scale": 0.1}, 0.1 * (1 + 4 + 9) / 2),
        ({"type": "l1", "scale": 0.1}, 0.1 * (1 + 2 + 3)),
    ],
)
def test_the_penalty_is_the_documented_one(description, expected) -> None:
    """L2 is scale times half the sum of squares, L1 is scale times the sum of absolute values."""
    regularizer = from_description(description, who="conv1")

    assert regularizer.penalty(torch.tensor([1.0, -2.0, 3.0])).item() == pytest.approx(expected)


@pytest.mark.parametrize("regularizer", [L1(scale=0.3), L2(scale=0.3)])
def test_the_closed_form_is_the_gradient_of_the_penalty(regularizer) -> None:
    """What add_gradients_ adds equals what autograd computes, also where there is none yet."""
    weights = [torch.randn(3, 4, requires_grad=True), torch.tensor([0.0, -1.0], requires_grad=True)]
    expected = torch.autograd.grad(sum(regularizer.penalty(w) for w in weights), weights)
    weights[0].grad = torch.ones(3, 4)

    regularizer.add_gradients_(weights)

    torch.testing.assert_close(weights[0].grad, expected[0] + 1)
    torch.testing.assert_close(weights[1].grad, expected[1])


def test_one_gradient_at_a_time_and_none_at_all_work() -> None:
    """add_gradient_ is add_gradients_ for one tensor; an empty list changes nothing."""
    weights = torch.ones(2, requires_grad=True)

    L2(scale=2.0).add_gradient_(weights)
    L2(scale=2.0).add_gradients_([])
    L1(scale=2.0).add_gradients_([])

    assert weights.grad.tolist() == [2.0, 2.0]


def test_equal_descriptions_give_equal_regularizers() -> None:
    """Callers can group parameters by their regulariser."""
    description = {"type": "l2", "scale": 5e-4}

    assert (
        len({from_description(description, who="a"), from_description(description, who="b")}) == 1
    )
    assert from_description(None, who="a") is None
    assert from_description(L1(scale=1.0), who="a") == L1(scale=1.0)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "l3", "scale": 1.0}, "one of ['l1', 'l2'], got type='l3'"),
        ({"type": "l2", "scale": -1.0}, "0 or more, got scale=-1.0"),
        ({"type": "l2", "scale": "big"}, "got scale='big'"),
        ({"type": "l2"}, "got wd={'type': 'l2'}"),
        ({"type": "l2", "scale": 1.0, "factor": 2}, "'factor': 2"),
        (5e-4, "got wd=0.0005"),
    ],
)
def test_a_wrong_description_is_refused(description, message) -> None:
    """The error names the block, what is known and what came in."""
    with pytest.raises(SetupError, match=re.escape(message)) as caught:
        from_description(description, who="conv1")

    assert str(caught.value).startswith("conv1: ")
