import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from akid.errors import CheckpointError, SetupError, TrainingError
from akid.training.kongfu import GradientDescentKongFu, KongFu, MomentumKongFu
from akid.training.schedule import LearningRateScheme

DATA = torch.rand(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def small_net() -> nn.Sequential:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1, 1, generator=generator)
    return net


def loss_of(net: nn.Module) -> Tensor:
    return (net(DATA) - DATA.sum(dim=1, keepdim=True)).square().mean()


def train(net: nn.Module, kongfu: KongFu, steps: range = range(5)) -> list[Tensor]:
    """Improve the net and return its parameters."""
    kongfu.setup(net)
    for step in steps:
        kongfu(loss_of(net))
        kongfu.update(step)
        kongfu.average_weights(step)
    return list(net.parameters())


def train_plainly(
    net: nn.Module, make: Callable[[Any], Optimizer], num_steps: int = 5
) -> list[Tensor]:
    """The same with a bare torch optimiser."""
    optimizer = make(net.parameters())
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss_of(net).backward()
        optimizer.step()
    return list(net.parameters())


def assert_same(got: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("kongfu", "make"),
    [
        (GradientDescentKongFu(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (MomentumKongFu(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        (
            MomentumKongFu(0.8, use_nesterov=True, lr=0.1),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
        ),
    ],
)
def test_a_kongfu_moves_as_the_bare_optimiser(
    kongfu: KongFu, make: Callable[[Any], Optimizer]
) -> None:
    """The parameters after five steps are the same."""
    assert_same(train(small_net(), kongfu), train_plainly(small_net(), make))


def test_the_scheme_sets_the_rate_of_each_step() -> None:
    """The rate that is shown is the one of the last update."""
    kongfu = GradientDescentKongFu(
        lr_scheme={"name": LearningRateScheme.exp_decay, "base_lr": 1.0, "decay_steps": 2}
    )
    train(small_net(), kongfu, range(2))
    assert kongfu.lr == 1.0
    kongfu.update(2)

    assert kongfu.lr == 0.95
    assert kongfu.optimizer.param_groups[0]["lr"] == 0.95


def test_the_documented_scheme_is_the_default() -> None:
    """`MomentumKongFu(name="Kongfu")` alone falls to 95 % every 468 steps."""
    kongfu = MomentumKongFu(name="Kongfu")

    assert kongfu.lr == 0.01
    assert kongfu.schedule.lr_at(468) == 0.01 * 0.95


def test_a_scheme_is_not_ignored_beside_a_rate() -> None:
    """Both together are an error."""
    with pytest.raises(SetupError, match="expected lr_scheme or lr, got both"):
        MomentumKongFu(lr_scheme={"name": "exp_decay"}, lr=0.1)


def test_a_placeholder_that_is_forgotten_is_an_error() -> None:
    """The message says how to set the rate."""
    kongfu = MomentumKongFu(lr_scheme={"name": LearningRateScheme.placeholder})

    with pytest.raises(TrainingError, match=r"Set it in a hook: kid.kongfu.lr_value"):
        train(small_net(), kongfu)


def test_a_placeholder_takes_what_a_hook_sets() -> None:
    """`lr_value` is the rate until it is set again."""
    kongfu = GradientDescentKongFu(lr_scheme={"name": LearningRateScheme.placeholder})
    kongfu.lr_value = 0.1

    expected = train_plainly(small_net(), lambda p: torch.optim.SGD(p, lr=0.1))
    assert_same(train(small_net(), kongfu), expected)


def test_set_lr_stands_in_place_of_the_scheme() -> None:
    """A hook may set the rate whatever the scheme says."""
    kongfu = MomentumKongFu(name="Kongfu")
    kongfu.set_lr(0.5)
    train(small_net(), kongfu, range(1))

    assert kongfu.lr == kongfu.lr_value == 0.5


def test_factors_scale_the_rate_by_block() -> None:
    """The first name that matches counts; a factor 0 leaves a parameter alone."""
    net = small_net()
    before = copy.deepcopy(net)
    kongfu = GradientDescentKongFu(lr=0.1, lr_factors={"0": 0.0, "*/bias": 2, "2/weight": 1})
    train(net, kongfu, range(1))
    loss_of(before).backward()

    def moved(name: str) -> Tensor:
        return before.get_parameter(name).detach() - net.get_parameter(name).detach()

    assert not moved("0.weight").any()
    assert not moved("0.bias").any()
    torch.testing.assert_close(moved("2.bias"), 0.2 * before.get_parameter("2.bias").grad)
    torch.testing.assert_close(moved("2.weight"), 0.1 * before.get_parameter("2.weight").grad)


def test_a_factor_for_nothing_is_an_error_with_the_known_names() -> None:
    """The message lists the parameters."""
    with pytest.raises(SetupError, match=r"names among 0/weight, 0/bias.*got 'conv1'"):
        GradientDescentKongFu(lr_factors={"conv1": 0.1}).setup(small_net())


def test_the_norm_of_all_gradients_is_clipped() -> None:
    """With rate 1, the step has the length of the clipped norm."""
    net = small_net()
    before = copy.deepcopy(net)
    train(net, GradientDescentKongFu(lr=1.0, clip_norm=0.01), range(1))
    moves = [
        a.detach() - b.detach() for a, b in zip(net.parameters(), before.parameters(), strict=True)
    ]

    assert float(torch.cat([m.flatten() for m in moves]).norm()) == pytest.approx(0.01, rel=1e-3)


def test_the_entries_of_gradients_are_clipped() -> None:
    """With rate 1, no entry moves by more."""
    net = small_net()
    before = copy.deepcopy(net)
    train(net, GradientDescentKongFu(lr=1.0, clip_value=0.001), range(1))
    moves = [
        (a - b).detach().abs().max()
        for a, b in zip(net.parameters(), before.parameters(), strict=True)
    ]

    assert float(max(moves)) == pytest.approx(0.001)


def test_weights_are_averaged_as_documented() -> None:
    """The average follows min(decay, (1 + step) / (10 + step)), and the weights come back."""
    net = small_net()
    kongfu = GradientDescentKongFu(lr=0.1, moving_average_decay=0.5)
    expected = net[0].weight.detach().clone()
    for step in range(12):
        train(net, kongfu, range(step, step + 1))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net[0].weight.detach()
    last = net[0].weight.detach().clone()

    with kongfu.averaged_weights():
        torch.testing.assert_close(net[0].weight.detach(), expected)
    assert torch.equal(net[0].weight, last)


def test_no_averages_leave_the_weights_alone() -> None:
    """Without a decay the `with` block changes nothing."""
    net = small_net()
    kongfu = GradientDescentKongFu(lr=0.1)
    train(net, kongfu)
    last = net[0].weight.detach().clone()

    with kongfu.averaged_weights():
        assert torch.equal(net[0].weight, last)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"moving_average_decay": 0.4}, "in \\[0.5, 1\\)"),
        ({"moving_average_decay": 1}, "in \\[0.5, 1\\)"),
        ({"clip_norm": 0}, "clip_norm above 0"),
        ({"clip_value": -1}, "clip_value above 0"),
        ({"accumulate": 0}, "accumulate as an integer from 1"),
        ({"lr": -1}, "base_lr from 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], expected: str) -> None:
    """The message names the argument and the value."""
    with pytest.raises(SetupError, match=expected):
        GradientDescentKongFu(**arguments)


def test_a_brain_without_parameters_is_an_error() -> None:
    """The message says what to do."""
    with pytest.raises(SetupError, match="Set the brain up first"):
        MomentumKongFu().setup(nn.Sequential())


def test_something_else_than_a_brain_is_an_error() -> None:
    """A loss before any setup is refused."""
    with pytest.raises(SetupError, match="expected a brain to set up with, got Tensor"):
        MomentumKongFu()(torch.zeros(1))


def test_frozen_parameters_are_left_out() -> None:
    """Only what is trainable is updated."""
    net = small_net()
    net[0].requires_grad_(requires_grad=False)
    kongfu = MomentumKongFu(lr=0.1)
    kongfu.setup(net)

    assert len(kongfu.parameters_to_improve) == 2


def test_training_goes_on_from_a_state_bit_for_bit_defect_41() -> None:
    """Momentum, the averages, a rate that was set and the scheme's state are all in it."""
    arguments: dict[str, Any] = {
        "lr_scheme": {"name": "plateau", "base_lr": 0.1, "patience": 1},
        "moving_average_decay": 0.9,
    }
    whole, first, second = small_net(), small_net(), small_net()
    whole_kongfu, first_kongfu = MomentumKongFu(**arguments), MomentumKongFu(**arguments)
    second_kongfu = MomentumKongFu(**arguments)
    for net, kongfu, steps in ((whole, whole_kongfu, range(9)), (first, first_kongfu, range(4))):
        for step in steps:
            kongfu.schedule.observe({"val_loss": 1.0})
            train(net, kongfu, range(step, step + 1))
    second.load_state_dict(first.state_dict())
    second_kongfu.setup(second)
    second_kongfu.load_state_dict(copy.deepcopy(first_kongfu.state_dict()))
    for step in range(4, 9):
        second_kongfu.schedule.observe({"val_loss": 1.0})
        train(second, second_kongfu, range(step, step + 1))

    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True)
    )
    with whole_kongfu.averaged_weights(), second_kongfu.averaged_weights():
        assert all(
            torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True)
        )


def test_another_optimisers_state_is_refused() -> None:
    """Averages that are missing are an error, not a silent fresh start."""
    first, second = MomentumKongFu(), MomentumKongFu(moving_average_decay=0.9)
    first.setup(small_net())
    second.setup(small_net())

    with pytest.raises(
        CheckpointError, match=r"with moving_average_decay=0.9, got one of SGD with"
    ):
        second.load_state_dict(first.state_dict())


def test_a_rate_set_by_a_hook_outlives_a_checkpoint() -> None:
    """`set_lr` is part of the state."""
    first, second = MomentumKongFu(), MomentumKongFu()
    first.setup(small_net())
    second.setup(small_net())
    first.set_lr(0.3)
    second.load_state_dict(first.state_dict())

    assert second.lr == second.lr_value == 0.3
