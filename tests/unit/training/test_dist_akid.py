"""The distributed tutorial, its engine replaced by the single one, which gives the same."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from akid.training import engine

PROGRAM = Path(__file__).parents[3] / "experiments" / "dist_akid" / "dist_akid.py"


@pytest.mark.data
def test_the_losses_fall_from_about_ln_10(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """The first of 26 losses is near 2.45, the last ones are near 2.03."""
    real_data("MNIST/raw")
    kid = runpy.run_path(str(PROGRAM))["make_kid"](2)
    kid.engine = engine.get("single", device="cpu")
    kid.log_dir = tmp_path

    kid.practice()

    losses = [row["train_loss"] for row in kid.rows if "train_loss" in row]
    assert len(losses) == 26
    assert 2.2 < losses[0] < 2.7
    assert 1.9 < sum(losses[-5:]) / 5 < 2.15
