"""The distributed tutorial, its engine replaced by the single one, which gives the same."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from akid.cluster.resources import ResourceRequest
from akid.training import engine
from akid.tuning import gang

EXPERIMENT = Path(__file__).parents[3] / "experiments" / "dist_akid" / "experiment.py"


def test_it_asks_for_two_workers() -> None:
    """A sweep knows it before the start."""
    source = EXPERIMENT.read_text(encoding="utf-8")

    assert gang.request_of(source, ResourceRequest(), gpus_are_given=True).workers == 2


@pytest.mark.data
def test_the_losses_fall_from_about_ln_10(
    real_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of 26 losses is near 2.45, the last ones are near 2.03; all are printed."""
    real_data("MNIST/raw")
    kid = runpy.run_path(str(EXPERIMENT))["setup"]()
    kid.engine = engine.get("single", device="cpu")
    kid.log_dir = tmp_path

    kid.practice()

    losses = [row["train_loss"] for row in kid.rows if "train_loss" in row]
    assert capsys.readouterr().out.split() == [f"{loss:.5f}" for loss in losses]
    assert len(losses) == 26
    assert 2.2 < losses[0] < 2.7
    assert 1.9 < sum(losses[-5:]) / 5 < 2.15
