"""Going on from the newest checkpoint that is whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from akid.errors import CheckpointError
from akid.training.kid import Kid

STEPS = 8


def steady(make_kid: Callable[..., Kid]) -> Kid:
    """Return a kid with a checkpoint for each step, each better than the one before."""
    return make_kid(max_steps=STEPS, val_log_step=1, best_metric="val_loss")


def damage(file: Path, how: str) -> None:
    """Do to a file what a crash or a disk may do."""
    content = file.read_bytes()
    middle = len(content) // 2
    file.unlink()  # best.pt may be the same file
    file.write_bytes(
        {
            "cut": content[:middle],
            "empty": b"",
            "zeros": content[:middle] + bytes(len(content) - middle),
        }[how]
    )


@pytest.mark.parametrize("how", ["cut", "empty", "zeros"])
def test_a_damaged_checkpoint_is_passed_over(make_kid: Callable[..., Kid], how: str) -> None:
    """The one before it is gone on from, to the same weights, best and test metrics."""
    whole = steady(make_kid)
    expected = whole.practice()
    for step in (STEPS, STEPS - 1):
        damage(Path(whole.log_dir, "model") / f"checkpoint-{step}.pt", how)
    resumed = steady(make_kid)

    report = resumed.practice(continue_from_chk_point=True)

    assert resumed.rows[0]["step"] == STEPS - 1
    assert report.best == expected.best
    for name, tensor in whole.brain.named_parameters():
        assert torch.equal(dict(resumed.brain.named_parameters())[name], tensor)


def test_a_checkpoint_whose_best_is_lost_is_passed_over(make_kid: Callable[..., Kid]) -> None:
    """An earlier one, of whose best weights there is a whole file, gives the same best."""
    whole = steady(make_kid)
    expected = whole.practice()
    best_step = int(expected.best["step"])
    damage(Path(whole.log_dir, "model") / "best.pt", "cut")
    if best_step > STEPS - 5:
        damage(Path(whole.log_dir, "model") / f"checkpoint-{best_step}.pt", "cut")
    resumed = steady(make_kid)

    report = resumed.practice(continue_from_chk_point=True)

    assert resumed.rows[0]["step"] <= best_step
    assert report.best == expected.best


def test_nothing_but_damaged_checkpoints_is_an_error(make_kid: Callable[..., Kid]) -> None:
    """Who asks to go on is not given a fresh start in silence."""
    kid = steady(make_kid)
    kid.practice()
    for file in Path(kid.log_dir, "model").glob("*.pt"):
        damage(file, "cut")

    with pytest.raises(CheckpointError, match="expected a checkpoint at"):
        steady(make_kid).practice(continue_from_chk_point=True)
