from collections.abc import Callable

import pytest
import torch

from akid.errors import SetupError
from akid.training import engine
from akid.training.engine import SingleEngine
from akid.training.kid import Kid
from akid.training.kongfu import GradientDescentKongFu

MakeKid = Callable[..., Kid]


def test_single_engine_is_found_by_name_and_by_dict() -> None:
    """Both forms and an engine itself work."""
    made = engine.get({"name": "single", "device": "cpu"})

    assert isinstance(made, SingleEngine)
    assert engine.get(made) is made
    assert engine.get("single", device="cpu").device == torch.device("cpu")


def test_the_device_is_the_best_there_is() -> None:
    """The GPU where there is one."""
    expected = "cuda" if torch.cuda.is_available() else "cpu"

    assert engine.get("single").device.type == expected


def test_an_unknown_engine_is_an_error_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"among \[.*'single'.*got name='triple'"):
        engine.get({"name": "triple"})


def test_an_unknown_option_is_an_error_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"expected options \[.*'device'.*got \['gpus'\]"):
        engine.get({"name": "single", "gpus": 2})


def test_a_step_is_one_of_plain_torch(make_kid: MakeKid) -> None:
    """The update is that of the loss with its penalty, differentiated by autograd."""
    kid, plain = make_kid(kongfu=GradientDescentKongFu(lr=0.1)), make_kid()
    kid.setup()
    plain.setup()
    kid.engine.step(kid.sensor.next_batch())
    plain.brain(plain.sensor.next_batch())
    plain.brain.loss.backward()

    for ours, theirs in zip(kid.brain.parameters(), plain.brain.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours.detach(), theirs.detach() - 0.1 * theirs.grad)
    assert (kid.step, plain.step) == (1, 0)


@pytest.mark.parametrize("accumulate", [2, 3, 10, 11])
def test_pieces_of_a_batch_give_the_gradients_of_the_batch(
    make_kid: MakeKid, accumulate: int
) -> None:
    """However the batch is cut, an update is the same, and so is what is measured of it."""
    whole = make_kid(kongfu=GradientDescentKongFu(lr=0.1))
    cut = make_kid(kongfu=GradientDescentKongFu(lr=0.1, accumulate=accumulate))
    for kid in (whole, cut):
        kid.setup()
        kid.brain.eval()  # the mean over a batch, and dropout, do hang on the pieces
        kid.engine.step(kid.sensor.next_batch(), measure=True)

    for ours, theirs in zip(cut.brain.parameters(), whole.brain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert cut.engine.measurements() == pytest.approx(whole.engine.measurements(), rel=1e-5)
    assert cut.step == 1


def test_evaluation_leaves_the_mode_as_it_was(make_kid: MakeKid) -> None:
    """Training stays training, and data stay kept."""
    kid = make_kid()
    kid.setup()
    kid.brain.train()
    kid.engine.evaluate(kid.sensor.epoch("val"))

    assert kid.brain.training
    assert kid.brain.keep_data


def test_a_brain_keeps_no_activations_at_work(make_kid: MakeKid) -> None:
    """They are freed after their last use, and kept again afterwards."""
    kid = make_kid()
    kept: list[bool] = []
    kid.hooks.on_batch_begin.append(lambda k: kept.append(k.brain.keep_data))
    kid.practice()

    assert not any(kept)
    assert kid.brain.keep_data


def test_the_engine_is_a_block(make_kid: MakeKid) -> None:
    """It propagates a batch, and holds no parameters of its own."""
    kid = make_kid()
    kid.setup()
    batch = kid.sensor.current_batch()

    assert torch.equal(kid.eval().engine(batch), kid.brain(batch))
    assert list(kid.engine.parameters()) == []
