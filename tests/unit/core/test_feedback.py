import copy
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.graph_system import GraphSystem
from akid.core.judge import Judge
from akid.errors import SetupError

HIDDEN = 5


class Linear(Block):
    NAME = "ip"

    def __init__(self, out=HIDDEN, **kwargs):
        super().__init__(**kwargs)
        self.out = out

    def _setup(self, x):
        self.weights = nn.Parameter(torch.randn(self.out, x.shape[1]) / x.shape[1] ** 0.5)

    def forward(self, x):
        return x @ self.weights.T


class Sum(Block):
    def forward(self, terms):
        return sum(terms)


class Concat(Block):
    def forward(self, terms):
        return torch.cat(terms, 1)


class Tanh(Block):
    def forward(self, x):
        return torch.tanh(x)


class Square(Judge):
    def forward(self, x):
        self.loss = (x**2).mean()
        return self.loss


def back(name: str, **options) -> dict:
    return {"name": name, "feedback": True, **options}


def elman(kind=GraphSystem, **options) -> GraphSystem:
    """h = tanh(W x + U h'), the textbook's recurrent network; the feedback comes from later."""
    system = kind(**options)
    system.attach(
        Linear(name="w", inputs=[{"name": "system_in"}]),
        Linear(name="u", inputs=[back("h", shape=[HIDDEN])]),
        Sum(name="sum", inputs=[{"name": "w"}, {"name": "u"}]),
        Tanh(name="h"),
    )
    return system


def by_hand(system, xs, h) -> torch.Tensor:
    w, u = (system.get_layer_by_name(name).weights for name in ("w", "u"))
    for x in xs:
        h = torch.tanh(x @ w.T + h @ u.T)
    return h


@given(st.integers(1, 6), st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_an_unrolled_system_equals_a_recurrent_network(steps: int, count: int) -> None:
    """Values and gradients through time agree with a loop that is written by hand."""
    torch.manual_seed(0)
    system = elman(unroll=steps)
    system.setup(torch.rand(count, 3))
    system.double()
    x = torch.rand(count, 3, dtype=torch.float64, requires_grad=True)

    result = system(x)
    gradients = torch.autograd.grad(result.sum(), [*system.parameters(), x])

    expected = by_hand(system, [x] * steps, torch.zeros(count, HIDDEN, dtype=torch.float64))
    wanted = torch.autograd.grad(expected.sum(), [*system.parameters(), x])
    assert (result - expected).abs().max() < 1e-12
    for one, other in zip(gradients, wanted, strict=True):
        assert (one - other).abs().max() < 1e-12


def test_a_sequence_is_read_step_by_step() -> None:
    """With sequence_idxs, each step reads its part of dimension 1, whatever the length."""
    system = elman(sequence_idxs=[0])

    for length in (4, 7):
        x = torch.rand(2, length, 3)
        result = system(x)
        expected = by_hand(system, x.unbind(1), torch.zeros(2, HIDDEN))
        torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


def test_it_equals_torchs_own_recurrent_network() -> None:
    """The same weights in nn.RNN give the same last state and gradient, to 1e-6."""
    system, x = elman(sequence_idxs=[0]), torch.rand(2, 6, 3)
    system.setup(x)
    rnn = nn.RNN(3, HIDDEN, bias=False, batch_first=True)
    rnn.weight_ih_l0.data.copy_(system.get_layer_by_name("w").weights)
    rnn.weight_hh_l0.data.copy_(system.get_layer_by_name("u").weights)

    system(x).sum().backward()
    rnn(x)[1].sum().backward()

    torch.testing.assert_close(system(x), rnn(x)[1][0], atol=1e-6, rtol=0)
    torch.testing.assert_close(
        system.get_layer_by_name("u").weights.grad, rnn.weight_hh_l0.grad, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("initial", [0.5, torch.arange(5.0)])
def test_the_first_step_reads_the_initial_value(initial) -> None:
    """A number, or a tensor without batch, takes the place of zeros."""
    system = GraphSystem(unroll=2)
    system.attach(
        Sum(name="a", inputs=[{"name": "system_in"}, back("a", initial=initial)]),
    )

    result = system(torch.ones(3, HIDDEN))

    assert torch.equal(result, 2 + torch.zeros(3, HIDDEN) + initial)


def test_the_shape_of_what_flows_back_is_inferred() -> None:
    """Neither a sum nor a concatenation needs a declared shape."""
    for merge in (Sum, Concat):
        system = GraphSystem(unroll=3)
        system.attach(
            Linear(name="in"),
            merge(name="merge", inputs=[{"name": "in"}, back("out")]),
            Linear(name="out", out=HIDDEN if merge is Sum else 2),
        )
        assert system(torch.rand(4, 3)).shape == (4, HIDDEN if merge is Sum else 2)


def test_a_shape_that_cannot_be_inferred_has_to_be_declared() -> None:
    """A shape that grows with every guess, or fits nothing, is an error that says how."""
    system = GraphSystem(unroll=2, name="grow")
    system.attach(Concat(name="c", inputs=[{"name": "system_in"}, back("c")]))

    with pytest.raises(SetupError, match=r"grow: expected feedback whose shape stays.* Declare it"):
        system(torch.rand(2, 3))


def test_a_wrongly_declared_shape_is_an_error() -> None:
    """What is declared is compared with what comes back."""
    system = GraphSystem(unroll=2)
    system.attach(Linear(name="u", inputs=[back("u", shape=[3])]))

    with pytest.raises(SetupError, match=re.escape("declared shape (3,), without batch, got (5,)")):
        system(torch.ones(2, 1))


@pytest.mark.parametrize(
    ("entry", "options", "message"),
    [
        (back("b"), {}, "expected one number of steps, got none of unroll=None"),
        ({"name": "a"}, {"unroll": 2}, "expected a feedback edge among the blocks' inputs"),
        (back("x"), {"unroll": 2}, "known: 'system_in', 'a', 'b'"),
        (back("system_in"), {"unroll": 2}, "expected feedback from a block, got 'system_in'"),
        (back("b", idxs=[1]), {"unroll": 2}, "feedback: expected idxs below 1"),
        ({"name": "a", "initial": 1.0}, {"unroll": 2}, 'only with "feedback": True'),
        ({"name": "b"}, {"unroll": 2}, '{"name": ..., "feedback": True}'),
    ],
)
def test_wrong_feedback_is_an_error_of_setup(entry: dict, options: dict, message: str) -> None:
    """Names, indices and the number of steps are checked before anything runs."""
    system = GraphSystem(**options)
    system.attach(Sum(name="a", inputs=[{"name": "system_in", "idxs": [0, 0]}]))
    system.attach(Sum(name="b", inputs=[{"name": "a"}, entry]))

    with pytest.raises(SetupError, match=re.escape(message)):
        system.setup(torch.ones(2, 3))


def test_unroll_below_one_is_refused() -> None:
    """There is no call of no steps."""
    with pytest.raises(SetupError, match="got unroll=0"):
        GraphSystem(unroll=0)


def test_a_brain_with_feedback_trains() -> None:
    """The loss is that of the last step, its layer runs once, and every weight gets a gradient."""
    calls = []

    class Counted(Square):
        def forward(self, x):
            calls.append(x)
            return super().forward(x)

    brain = elman(Brain, unroll=4)
    brain.attach(Counted(name="loss"))
    x = torch.rand(6, 3)
    brain.setup(x)
    calls.clear()

    brain(x)
    brain.loss.backward()

    expected = (by_hand(brain, [x] * 4, torch.zeros(6, HIDDEN)) ** 2).mean()
    torch.testing.assert_close(brain.loss, expected)
    assert len(calls) == 1
    assert all(parameter.grad.abs().sum() > 0 for parameter in brain.get_filters())
    assert torch.equal(copy.deepcopy(brain)(x), brain(x))


def test_a_nested_system_with_feedback_is_a_block_like_any_other() -> None:
    """A recurrent system inside of a graph runs and trains."""
    outer = GraphSystem()
    outer.attach(Linear(name="in"), elman(unroll=3, name="rnn"), Linear(name="out", out=2))

    outer(torch.rand(4, 3)).sum().backward()

    assert all(parameter.grad.abs().sum() > 0 for parameter in outer.parameters())


def test_a_part_of_a_system_with_feedback_is_refused() -> None:
    """A part of a loop has no meaning of its own."""
    system = elman(unroll=2)
    system.setup(torch.rand(4, 3))

    with pytest.raises(SetupError, match="expected a whole run as there is feedback"):
        system(torch.rand(4, 3), end_block="u")


def test_a_system_without_feedback_keeps_its_plan() -> None:
    """data of the last step are kept, as after any call."""
    system = elman(unroll=2)
    result = system(torch.rand(4, 3))

    assert torch.equal(system.get_layer_by_name("h").data, result)
    assert system.get_layer_by_name("sum").data.shape == (4, HIDDEN)
