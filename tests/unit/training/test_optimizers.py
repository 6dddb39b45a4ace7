"""torch's optimisers without the wrappers that load its compiler."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch

from akid.training import optimizers

KINDS = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adafactor"]

PROGRAM = """
import sys

from akid import Brain, DigitsFeedSource, FeedSensor, InnerProductLayer, Kid, MomentumKongFu
from akid import SoftmaxWithLossLayer

brain = Brain(name="Brain")
brain.attach(InnerProductLayer(out_channel_num=10, name="ip"))
inputs = [{"name": "ip"}, {"name": "system_in", "idxs": [1]}]
brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))
sensor = FeedSensor(DigitsFeedSource(name="Source", scale=True), batch_size=20, name="Sensor")
kid = Kid(sensor, brain, MomentumKongFu(lr=0.1), max_steps=4, device="cpu")
kid.practice()
print(sorted({"torch._dynamo", "torch._inductor", "sympy", "sklearn"} & set(sys.modules)))
"""


def steps(make, count: int = 3) -> tuple[torch.optim.Optimizer, torch.Tensor]:
    """Take steps down a bowl; return the optimiser and where they lead."""
    weight = torch.linspace(-1, 2, 12).reshape(3, 4).requires_grad_()
    optimizer = make([{"params": [weight]}])
    for _ in range(count):
        optimizer.zero_grad()
        (weight**4).sum().backward()
        optimizer.step()
    return optimizer, weight.detach()


@pytest.mark.parametrize("name", KINDS)
def test_it_steps_as_torchs_own(name: str) -> None:
    """To the bit, and its state is that of torch's own."""
    kind = getattr(torch.optim, name)
    own, expected = steps(lambda groups: kind(groups, lr=0.01))

    optimizer, found = steps(
        lambda groups: optimizers.make(kind, groups, {"lr": 0.01, **unfused(kind)})
    )

    assert isinstance(optimizer, kind)
    assert torch.equal(found, expected)
    assert optimizer.state_dict()["state"].keys() == own.state_dict()["state"].keys()
    own.load_state_dict(optimizer.state_dict())
    assert repr(optimizer) == repr(own)


def unfused(kind) -> dict[str, bool]:
    """Return what turns off the one kernel for all, whose last bits may differ."""
    groups = [{"params": [torch.zeros(1)]}]
    return dict.fromkeys(optimizers.parameter_groups.fastest(kind, groups), False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_goes_on_alike(copied) -> None:
    """By value, as torch's own."""
    optimizer, _ = steps(
        lambda groups: optimizers.make(torch.optim.SGD, groups, {"lr": 0.1, "momentum": 0.9})
    )
    twin = copied(optimizer)
    for one in (optimizer, twin):
        (weight,) = one.param_groups[0]["params"]
        weight.grad = torch.ones_like(weight)
        one.step()

    (weight,), (other,) = (one.param_groups[0]["params"] for one in (optimizer, twin))
    assert weight is not other
    assert torch.equal(weight, other)
    assert type(twin) is type(optimizer)


def test_gradients_through_a_step_are_kept_where_they_are_asked_for() -> None:
    """torch's `differentiable`, which is off unless given."""
    weight = torch.ones(2, requires_grad=True)
    moved = weight * 1.0
    moved.grad = torch.ones(2)
    arguments = {"lr": 0.1, "differentiable": True, "fused": False}

    optimizers.make(torch.optim.SGD, [{"params": [moved]}], arguments).step()

    (gradient,) = torch.autograd.grad(moved.sum(), weight)
    assert torch.equal(gradient, torch.ones(2))


def test_practice_loads_neither_a_compiler_nor_scikit_learn() -> None:
    """Each takes a second of a process; nothing is compiled, and the digits are but a file."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
