import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import SetupError
from akid.training import schedule
from akid.training.schedule import LearningRateScheme


def torch_lrs(make_scheduler: Any, lr: float, num_steps: int) -> list[float]:
    """What one of torch's own schedulers gives for each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make_scheduler(optimizer)
    lrs = []
    for _ in range(num_steps):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs


@given(step=st.integers(0, 10**6))
def test_exp_decay_is_the_documented_staircase(step: int) -> None:
    """The rate is base * rate ^ floor(step / (batches per epoch * epochs between falls))."""
    scheme = schedule.make(
        {
            "name": LearningRateScheme.exp_decay,
            "base_lr": 0.01,
            "decay_rate": 0.95,
            "num_batches_per_epoch": 468,
            "decay_epoch_num": 2,
        }
    )

    assert scheme.lr_at(step) == pytest.approx(0.01 * 0.95 ** math.floor(step / 936))


def test_exp_decay_has_the_documented_defaults() -> None:
    """The name alone means 0.01, falling to 95 % every 468 steps."""
    scheme = schedule.make("exp_decay")

    assert [scheme.lr_at(step) for step in (0, 467, 468)] == [0.01, 0.01, 0.01 * 0.95]


def test_exp_decay_may_fall_a_little_each_step() -> None:
    """Without staircase the exponent is a fraction."""
    scheme = schedule.make({"name": "exp_decay", "decay_steps": 10, "staircase": False})

    assert scheme.lr_at(5) == pytest.approx(0.01 * 0.95**0.5)


def test_a_scheme_written_by_repr_is_python_again() -> None:
    """A template can carry the enum's members."""
    scheme = {"name": LearningRateScheme.exp_decay}

    assert eval(repr(scheme)) == {"name": "exp_decay"}


def test_step_multiplies_at_each_boundary() -> None:
    """The next rate holds from the boundary on."""
    scheme = schedule.make({"name": "step", "base_lr": 1.0, "boundaries": [2, 4], "factor": 0.5})

    assert [scheme.lr_at(step) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_cosine_equals_torch() -> None:
    """The rates are those of CosineAnnealingLR, and stay at the end."""
    scheme = schedule.make({"name": "cosine", "base_lr": 0.3, "num_steps": 20, "min_lr": 0.01})
    expected = torch_lrs(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.01), 0.3, 21
    )

    assert [scheme.lr_at(step) for step in range(21)] == pytest.approx(expected)
    assert scheme.lr_at(100) == pytest.approx(0.01)


def test_one_cycle_equals_torch() -> None:
    """The rates are those of OneCycleLR with its defaults."""
    scheme = schedule.make({"name": "one_cycle", "max_lr": 0.3, "num_steps": 50})
    expected = torch_lrs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.3, total_steps=50), 0.3, 49
    )

    assert [scheme.lr_at(step) for step in range(49)] == pytest.approx(expected)


def test_warm_up_rises_to_the_next_scheme_and_hands_over() -> None:
    """The rise ends where the next scheme starts, and that one counts from there."""
    then = {"name": "step", "base_lr": 1.0, "boundaries": [2]}
    scheme = schedule.make({"name": "warm_up", "num_steps": 3, "then": then})

    assert [scheme.lr_at(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 0.1]


def test_plateau_falls_after_its_patience() -> None:
    """The rate falls at the first validation beyond the patience, not below min_lr."""
    scheme = schedule.make(
        {"name": "plateau", "base_lr": 1.0, "factor": 0.5, "patience": 1, "min_lr": 0.4}
    )
    lrs = []
    for loss in (3.0, 2.0, 2.0, 2.5, 2.5, 2.5, 1.0):
        scheme.observe({"val_loss": loss})
        lrs.append(scheme.lr_at(0))

    assert lrs == [1.0, 1.0, 1.0, 0.5, 0.5, 0.4, 0.4]


def test_plateau_goes_on_from_its_state() -> None:
    """What a checkpoint keeps is enough, also below a warm-up."""
    described = {
        "name": "warm_up",
        "num_steps": 1,
        "then": {"name": "plateau", "base_lr": 1.0, "patience": 1, "metric": "val_accuracy"},
    }
    first, second = schedule.make(described), schedule.make(described)
    first.observe({"val_accuracy": 0.5})
    first.observe({"val_accuracy": 0.4})
    second.load_state_dict(first.state_dict())
    second.observe({"val_accuracy": 0.4})

    assert second.lr_at(1) == pytest.approx(0.1)


def test_plateau_lists_the_metrics_when_its_own_is_not_among_them() -> None:
    """A misspelt metric is an error that names the known ones."""
    scheme = schedule.make({"name": "plateau", "base_lr": 1.0, "metric": "val_acc"})

    with pytest.raises(SetupError, match=r"'val_loss'.*got metric='val_acc'"):
        scheme.observe({"val_loss": 1.0})


def test_placeholder_has_no_rate() -> None:
    """Someone else sets it."""
    assert schedule.make({"name": LearningRateScheme.placeholder}).lr_at(0) is None


def test_an_unknown_scheme_is_an_error_with_the_known_ones() -> None:
    """The message lists the names."""
    with pytest.raises(SetupError, match=r"constant, exp_decay, step.*got name='exp'"):
        schedule.make({"name": "exp"})


def test_an_unknown_argument_is_an_error_with_the_known_ones() -> None:
    """The message lists the arguments."""
    with pytest.raises(SetupError, match=r"expected base_lr, decay_rate.*Correct.*'lr'"):
        schedule.make({"name": "exp_decay", "lr": 1})


def test_a_missing_argument_is_an_error() -> None:
    """The message names it."""
    with pytest.raises(SetupError, match=r"Correct.*'num_steps'"):
        schedule.make({"name": "cosine", "base_lr": 1})


@pytest.mark.parametrize(
    "scheme",
    [
        {"name": "constant", "base_lr": -1},
        {"name": "exp_decay", "decay_rate": 0},
        {"name": "exp_decay", "decay_steps": 0},
        {"name": "step", "base_lr": 1, "boundaries": [4, 2]},
        {"name": "cosine", "base_lr": 1, "num_steps": 0},
        {"name": "cosine", "base_lr": 1, "num_steps": 9, "min_lr": 2},
        {"name": "one_cycle", "max_lr": 1, "num_steps": 9, "warm_up_fraction": 1},
        {"name": "one_cycle", "max_lr": 1, "num_steps": 9, "end_divisor": 0},
        {"name": "warm_up", "num_steps": 3, "then": {"name": "placeholder"}},
        {"name": "plateau", "base_lr": 1, "factor": 1},
    ],
)
def test_values_out_of_range_are_refused(scheme: dict[str, Any]) -> None:
    """The message shows the scheme as it was given."""
    with pytest.raises(SetupError, match="lr_scheme: expected"):
        schedule.make(scheme)
