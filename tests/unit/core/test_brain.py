import copy
import io
import pickle

import pytest
import torch
from torch import nn

from akid.core import seeding
from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.core.regularizers import L1, L2, Regularizer
from akid.errors import SetupError


class Linear(Block):
    NAME = "ip"

    def __init__(self, out=3, *, wd: Regularizer | None = None, limit=None, **kwargs):
        super().__init__(**kwargs)
        self.out, self.wd, self.limit = out, wd, limit

    def _setup(self, x):
        generator = seeding.generator("weights")
        self.weights = nn.Parameter(torch.randn(self.out, x.shape[1], generator=generator))

    def forward(self, x):
        return x @ self.weights.T

    def regularized(self):
        return [] if self.wd is None else [(self.wd, self.weights)]

    @torch.no_grad()
    def on_para_update(self):
        if self.limit is not None:
            self.weights.clamp_(-self.limit, self.limit)


class Square(Judge):
    NAME = "loss"

    def forward(self, x):
        self.x = x.detach()
        self.loss = (x**2).mean()
        return self.loss

    @property
    def evals(self):
        counts.append(self.name)
        return {"mean": self.x.mean()}


counts: list[str | None] = []


def brain_of(*blocks: Block, **kwargs) -> Brain:
    brain = Brain(**kwargs)
    brain.attach(*blocks)
    return brain


def regularized() -> Brain:
    return brain_of(
        Linear(4, wd=L2(scale=0.3), name="ip1"),
        brain_of(Linear(3, wd=L1(scale=0.2)), Linear(3, wd=L2(scale=0.3)), name="sub"),
        Linear(2, name="ip2"),
        Square(),
    )


def test_the_loss_is_that_of_the_loss_layers() -> None:
    """data_loss sums the losses, each multiplied already, of every loss layer."""
    x = torch.ones(2, 3)
    brain = brain_of(Square(name="one"), Square(name="two", inputs=[{"name": "system_in"}]))

    brain(3 * x)

    assert brain.data_loss.item() == 18
    assert brain.loss.item() == 18
    assert brain.penalty().item() == 0


def test_losses_of_nested_brains_count() -> None:
    """Facts 1.4: what an inner brain loses, the outer one loses."""
    inner = brain_of(Linear(name="ip"), Square(name="loss"), name="inner")
    inner.attach(Linear(name="out", inputs=[{"name": "ip"}]))
    brain = brain_of(inner, Square(name="loss"))

    brain(torch.ones(2, 3))
    inner_loss, outer_loss = (judge.loss for judge in (inner.blocks["loss"], brain.blocks["loss"]))

    assert torch.equal(brain.data_loss, inner_loss + outer_loss)
    brain.data_loss.backward()
    assert all(filters.grad is not None for filters in brain.get_filters())


def test_reading_a_loss_before_a_call_is_an_error() -> None:
    """Setup leaves no loss, and a brain without loss layers has none."""
    brain = brain_of(Square(name="mse"))
    brain.setup(torch.ones(2, 3))
    without = brain_of(Linear(), name="b")
    without(torch.ones(2, 3))

    for each in (brain, without):
        with pytest.raises(SetupError, match="expected a loss, got none"):
            _ = each.data_loss


def test_a_partial_run_leaves_no_stale_loss() -> None:
    """A run that ends before the loss layer has no loss."""
    brain = brain_of(Linear(name="ip"), Square())
    brain(torch.ones(2, 3))

    brain(torch.ones(2, 3), end_block="ip")

    with pytest.raises(SetupError, match="expected a loss"):
        _ = brain.loss


def test_evals_are_computed_when_they_are_read() -> None:
    """A call computes no metric; reading evals computes each once."""
    brain = brain_of(Linear(), Square(name="loss"))
    counts.clear()
    brain(torch.ones(2, 3))
    assert counts == []

    evals = brain.evals

    assert counts == ["loss"]
    assert list(evals) == ["mean"]


def test_a_metric_that_two_blocks_give_has_their_paths() -> None:
    """Names are prefixed only where they clash."""
    brain = brain_of(brain_of(Square(name="a"), name="sub"), Square(name="b"))

    brain(torch.ones(2, 3))

    assert list(brain.evals) == ["sub/a/mean", "b/mean"]


def test_the_penalty_is_the_sum_of_all_regularisers() -> None:
    """Each parameter counts once, in nested brains too."""
    brain, x = regularized(), torch.rand(5, 3)
    brain(x)
    first, second, third = (
        brain[path] for path in ("ip1/weights", "sub/ip1/weights", "sub/ip2/weights")
    )
    expected = 0.15 * (first**2).sum() + 0.2 * second.abs().sum() + 0.15 * (third**2).sum()

    torch.testing.assert_close(brain.penalty(), expected)
    torch.testing.assert_close(brain.loss, brain.data_loss + expected)


def test_gradients_in_closed_form_equal_those_of_the_loss() -> None:
    """Differentiating `loss` gives what add_regularization_gradients adds to data_loss's."""
    brain, x = regularized(), torch.rand(5, 3)
    brain.setup(x)
    brain.to(torch.float64)
    twin = copy.deepcopy(brain)
    brain(x.double())
    twin(x.double())

    brain.loss.backward()
    twin.data_loss.backward()
    twin.add_regularization_gradients()

    for one, other in zip(brain.get_filters(), twin.get_filters(), strict=True):
        assert (one.grad - other.grad).abs().max() < 1e-12


def test_a_frozen_parameter_gets_no_gradient() -> None:
    """What is not trained is not decayed."""
    brain = regularized()
    brain(torch.rand(5, 3))
    brain["ip1/weights"].requires_grad_(requires_grad=False)

    brain.add_regularization_gradients()

    assert brain["ip1/weights"].grad is None
    assert len(brain.get_filters()) == 3


def test_constraints_are_restored_after_an_update() -> None:
    """on_para_update reaches every block that has something to do, once, at any depth."""
    brain = brain_of(Linear(limit=0.1), brain_of(Linear(limit=0.2)), Square())
    brain(torch.rand(5, 3))

    brain.on_para_update()

    limits = [weights.abs().max().item() for weights in brain.get_filters()]
    assert limits == [pytest.approx(0.1), pytest.approx(0.2)]


def test_parameters_are_found_by_path() -> None:
    """`brain["sub/ip1/weights"]` is the parameter itself; a wrong path lists the known ones."""
    brain = regularized()
    brain.setup(torch.rand(5, 3))

    assert brain["sub/ip1/weights"] is brain.get_layer_by_name("sub/ip1").weights
    with pytest.raises(SetupError, match=r"got 'sub/ip1/weight'; known: 'ip1/weights', .* mean"):
        _ = brain["sub/ip1/weight"]


def test_filters_come_in_order_and_by_name() -> None:
    """get_filters gives all trainable parameters, or those of the named blocks."""
    brain = regularized()
    brain.setup(torch.rand(5, 3))

    assert [tuple(f.shape) for f in brain.get_filters()] == [(4, 3), (3, 4), (3, 3), (2, 3)]
    assert brain.get_filters(["ip2"])[0] is brain["ip2/weights"]
    assert len(brain.get_filters("sub")) == 2
    assert brain.num_parameters() == 12 + 12 + 9 + 6
    with pytest.raises(SetupError, match="known: 'ip1', 'sub', 'ip2', 'loss1'"):
        brain.get_filters(["ip3"])


def test_two_brains_of_one_seed_are_equal_and_their_layers_differ() -> None:
    """Facts 4.3.17: layers of one shape draw different weights; the same seed the same bits."""

    def weights(seed: int) -> list[torch.Tensor]:
        brain = brain_of(Linear(3), Linear(3), brain_of(Linear(3)), name="brain")
        with seeding.seed_scope(seed):
            brain.setup(torch.rand(5, 3))
        return list(brain.get_filters())

    one, again, other = weights(0), weights(0), weights(1)

    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], one[2])


def test_a_trained_brain_can_be_copied() -> None:
    """deepcopy, pickle and state_dict work after a step, and share nothing."""
    brain, x = regularized(), torch.rand(5, 3)
    brain(x)
    brain.loss.backward()
    buffer = io.BytesIO()
    torch.save(brain.state_dict(), buffer)
    buffer.seek(0)
    fresh = regularized()
    fresh.setup(x)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))

    for twin in (copy.deepcopy(brain), pickle.loads(pickle.dumps(brain)), fresh):
        twin(x)
        assert torch.equal(twin.loss, brain.loss)
        twin.add_regularization_gradients()
        assert not {f.data_ptr() for f in twin.get_filters()} & {
            f.data_ptr() for f in brain.get_filters()
        }


def test_a_brain_moves_to_a_device_and_a_dtype() -> None:
    """`to` moves what regularisers and look-ups see as well."""
    brain = regularized()
    brain.setup(torch.rand(5, 3))
    brain.to(torch.float64)

    brain(torch.rand(5, 3, dtype=torch.float64))

    assert brain.loss.dtype == brain["ip1/weights"].dtype == torch.float64
    assert brain.to("meta").penalty().device.type == "meta"


def test_a_compiled_brain_gives_the_same_loss() -> None:
    """torch.compile runs the brain as one graph and leaves its loss where it belongs."""
    brain, x = regularized(), torch.rand(5, 3)
    brain(x)
    expected = brain.loss.detach()
    brain.keep_data = False
    torch.compiler.reset()  # what was compiled before must not matter
    compiled = torch.compile(brain, backend="eager", fullgraph=True)

    compiled(x)
    brain.loss.backward()

    torch.testing.assert_close(brain.loss.detach(), expected)
    assert brain["ip1/weights"].grad.abs().sum() > 0
    assert brain.evals["mean"].shape == ()


def test_two_brains_in_a_process_do_not_know_each_other() -> None:
    """Facts 4.3.16: names, data and losses are each brain's own."""
    one, other = brain_of(Linear(), Square()), brain_of(Linear(), Square())
    one(torch.ones(2, 3))
    other(torch.zeros(2, 3))

    assert list(one.blocks) == list(other.blocks)
    assert other.loss.item() == 0 != one.loss.item()


class Distance(Judge):
    NAME = "loss"

    def __init__(self, multiplier, **kwargs):
        super().__init__(**kwargs)
        self.multiplier = multiplier

    def forward(self, inputs):
        self.loss = self.multiplier * ((inputs[0] - inputs[1]) ** 2).mean()
        return self.loss


def test_a_brain_of_several_inputs_outputs_and_losses_trains() -> None:
    """Two kinds of data, two of labels: values and gradients are those of plain torch."""
    brain = brain_of(
        Linear(4, name="left"),
        Linear(4, name="right", inputs=[{"name": "system_in", "idxs": [1]}]),
        Linear(2, name="head1", inputs=[{"name": "left"}]),
        Linear(3, name="head2", inputs=[{"name": "right"}]),
        Distance(1.0, inputs=[{"name": "head1"}, {"name": "system_in", "idxs": [2]}]),
        Distance(0.5, inputs=[{"name": "head2"}, {"name": "system_in", "idxs": [3]}]),
        outputs=[{"name": "head1"}, {"name": "head2"}],
    )
    x1, x2, y1, y2 = inputs = [torch.rand(6, size) for size in (5, 7, 2, 3)]

    out1, out2 = brain(inputs)
    gradients = torch.autograd.grad(brain.data_loss, brain.get_filters(), retain_graph=True)

    left, right, head1, head2 = brain.get_filters()
    torch.testing.assert_close(out1, x1 @ left.T @ head1.T)
    torch.testing.assert_close(out2, x2 @ right.T @ head2.T)
    expected = ((out1 - y1) ** 2).mean() + 0.5 * ((out2 - y2) ** 2).mean()
    torch.testing.assert_close(brain.data_loss, expected)
    wanted = torch.autograd.grad(expected, brain.get_filters())
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_a_brain_is_made_to_be_subclassed() -> None:
    """A user's class that attaches in its constructor is a brain like any other."""

    class Mine(Brain):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attach(Linear(name="ip1"))
            self.attach(
                Distance(
                    1.0,
                    inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
                    name="loss",
                )
            )

    brain = Mine(name="brain")
    brain.setup([torch.rand(4, 2), torch.rand(4, 3)])

    assert list(brain.state_dict()) == ["blocks.ip1.weights"]
    assert brain([torch.rand(4, 2), torch.rand(4, 3)]) is brain.data_loss


def test_parameters_need_setup() -> None:
    """Before it there are none, and an optimiser of nothing would train nothing."""
    with pytest.raises(SetupError, match="b: expected setup before its parameters"):
        brain_of(Linear(), name="b").num_parameters()
