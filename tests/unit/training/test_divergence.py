from collections.abc import Callable

import pytest
import torch

from akid.core.brain import Brain
from akid.errors import DivergedError
from akid.training import divergence
from akid.training.divergence import Guard
from akid.training.kid import Kid


@pytest.fixture
def kid(make_kid: Callable[..., Kid]) -> Kid:
    kid = make_kid()
    kid.setup()
    return kid


def test_a_finite_loss_passes(kid: Kid) -> None:
    """Nothing happens."""
    Guard(kid.brain).note(torch.tensor(1.0), kid.sensor.current_batch(), step=0)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_is_an_error_with_the_step(kid: Kid, loss: float) -> None:
    """The message has the loss and the step."""
    with pytest.raises(DivergedError, match=f"finite training loss, got {loss} at step 3"):
        Guard(kid.brain).note(torch.tensor(loss), kid.sensor.current_batch(), step=3)


def test_the_first_block_with_infinite_parameters_is_named(kid: Kid) -> None:
    """Its parameters are named as well."""
    kid.brain["bn1/gamma"].data[0] = float("inf")
    kid.brain["ip2/weights"].data[0] = float("nan")

    fault = divergence.first_fault(kid.brain, kid.sensor.current_batch())
    assert fault == "first not finite: gamma of block 'bn1'"


def test_the_first_block_with_an_infinite_output_is_named(kid: Kid) -> None:
    """Parameters may be finite and the output not."""
    kid.brain["ip1/weights"].data.fill_(3e38)
    kid.brain["ip1/biases"].data.fill_(3e38)

    fault = divergence.first_fault(kid.brain, kid.sensor.current_batch())
    assert fault == "first not finite: the output of block 'ip1'"


def test_a_batch_that_is_not_finite_is_said(kid: Kid) -> None:
    """Then no block is to blame."""
    data, labels = kid.sensor.current_batch()
    fault = divergence.first_fault(kid.brain, [data * float("nan"), labels])

    assert fault == "the batch itself is not finite"


def test_a_block_within_a_nested_system_is_named(kid: Kid) -> None:
    """Its path is given."""
    outer = Brain(name="outer")
    outer.attach(kid.brain)
    kid.brain.is_setup = False
    kid.brain.inputs = [{"name": "system_in", "idxs": [0, 1]}]
    outer.setup(kid.sensor.current_batch())
    kid.brain["ip2/biases"].data[0] = float("nan")

    fault = divergence.first_fault(outer, kid.sensor.current_batch())
    assert fault == "first not finite: biases of block 'Brain/ip2'"


def test_losses_on_another_device_are_looked_at_together(kid: Kid) -> None:
    """The step of the first bad one is in the message; good ones are forgotten."""
    guard = Guard(kid.brain, device=torch.device("cuda"), every=3)
    batch = kid.sensor.current_batch()
    for step, loss in enumerate((1.0, 2.0, 3.0, 4.0)):
        guard.note(torch.tensor(loss), batch, step=step)
    guard.note(torch.tensor(float("nan")), batch, step=4)

    with pytest.raises(DivergedError, match="at step 4"):
        guard.check(batch)
    guard.check(batch)


@pytest.mark.parametrize("num_parts", [0, 2])
def test_a_worker_without_samples_says_so(kid: Kid, num_parts: int) -> None:
    """It may be the one that looks, when the losses of many steps are looked at together."""
    kid.brain.train()
    batch = [tensor[:0] for tensor in kid.sensor.current_batch()[:num_parts]]

    error = divergence.explain(kid.brain, batch, step=3, loss=float("nan"))

    assert "got nan at step 3; the batch has no samples here" in str(error)
