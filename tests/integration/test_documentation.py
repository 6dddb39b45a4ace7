"""What stands in the README and in the experiments does what it says."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*/experiment.py"))


def python_blocks(file: Path) -> list[str]:
    """Return the Python examples of a page."""
    return re.findall(r"```python\n(.*?)```", file.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.usefixtures("cluster")
def test_the_experiment_of_the_readme_trains(place) -> None:
    """The README's experiment, cut down to one repeat and one rate, learns the digits."""
    (text,) = (block for block in python_blocks(ROOT / "README.md") if "def setup" in block)
    text = text.replace("max_epoch=20", "max_epoch=4")
    file = place.write(text + "\ngpu_num_per_instance = 0\n")

    ran = place.sweep(file, "--repeat", 1, "--set", "opt.lr=0.05")

    assert ran.code == 0
    accuracies = [run.data.metrics["best/val_accuracy"] for run in place.runs()]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.8


@pytest.mark.data
def test_the_kid_of_the_readme_practises(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """The README's program by hand, as printed, learns MNIST in its hundred steps."""
    (text,) = (b for b in python_blocks(ROOT / "README.md") if "MNISTFeedSource(" in b)
    real_data("MNIST/raw")
    program = tmp_path / "program.py"
    program.write_text(text + "\nprint(kid.report.best['val_accuracy'])\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert float(done.stdout.splitlines()[-1]) > 0.9


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.parent.name)
def test_each_experiment_can_be_planned_and_says_what_it_is_for(file: Path, place) -> None:
    """Every folder of experiments has a plan and a page with its command."""
    ran = place.sweep(file, "--dry-run", "--gpus-per-trial", 0)

    assert ran.code == 0
    page = (file.parent / "README.md").read_text(encoding="utf-8")
    assert f"python -m akid.sweep experiments/{file.parent.name}/experiment.py" in page
