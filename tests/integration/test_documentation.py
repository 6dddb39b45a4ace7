"""What stands in the README and in the experiments does what it says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from akid.sweep import main

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


@pytest.mark.usefixtures("cluster")
def test_the_tutorial_does_what_it_says(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the page is written, every other snippet executed, every command run."""
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(python)?\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(place.folder)
    told = {}
    for kind, text in blocks:
        if kind and text.startswith("# "):
            place.write(text, text.split()[1])
        elif kind:
            exec(text, {})
        else:
            for command in text.splitlines():
                arguments = shlex.split(command)[3:]
                if arguments[0] == "compare":
                    assert main([*arguments, "--tracking-uri", place.uri]) == 0, command
                    continue
                ran = place.sweep(*arguments)
                assert ran.code == 0, command
                told[command] = ran.out

    assert len(told) >= 7
    said = "\n".join(told.values())
    assert "8 trials (2 repeats x 2 opts x 2 nets), 6 to run, 2 finished before" in said
    assert "2 trials (1 repeats x 2 of 12 combinations)" in said
    assert "6 trials (1 repeats x 6 draws from 2 combinations), 6 to run" in said
    programs = [
        (place.artifacts(run.info.run_id) / "trial.py").read_text(encoding="utf-8")
        for run in place.runs("structure")
    ]
    assert [("DropoutLayer(keep" in p, "CollapseOutLayer(" in p) for p in programs] == [
        (False, False),
        (True, False),
        (False, True),
    ]


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
