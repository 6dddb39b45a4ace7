"""What the README, the tutorial, the experiments and the first documentation say, works."""

import os
import re
import shlex
import subprocess
import sys
from ast import literal_eval
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import akid
from akid.models.brains import OneLayerBrain
from akid.sensing.source import Arrays, InMemoryFeedSource, SupervisedSource
from akid.sweep import main
from akid.tuning.experiment import Experiment
from akid.tuning.settings import SETTINGS
from akid.tuning.template import Template

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
    page = re.sub(r"```text\n.*?```", "", page, flags=re.DOTALL)
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
    assert "2 trials (1 repeat x 2 of 12 combinations)" in said
    assert "6 trials (1 repeat x 6 draws from 2 combinations), 6 to run" in said
    assert "STOPPED" in next(out for command, out in told.items() if "asha" in command)
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
        [sys.executable, program],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # the machine is shared with other tests
        capture_output=True,
        text=True,
        check=True,
    )

    assert float(done.stdout.splitlines()[-1]) > 0.9
    lines = done.stderr.splitlines()
    assert lines[0] == "Kid: 1663370 parameters, 100 steps"
    assert lines[3].startswith("Kid: step 100, epoch 0, val_loss ")
    assert "'test_accuracy': " in done.stdout


def test_the_page_of_ones_own_blocks_runs() -> None:
    """Its examples are one program, which learns."""
    known: dict[str, object] = {}
    for text in python_blocks(ROOT / "docs" / "own-blocks.md"):
        exec(text, known)

    assert known["report"].best["val_top_share"] > 0.9
    assert known["report"].steps < 200  # patience has ended it


def test_the_page_of_settings_names_what_the_code_knows() -> None:
    """In the code's order, with the code's defaults."""
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| `(.*?)` \|", page, flags=re.MULTILINE)

    assert [name for name, _ in rows] == list(SETTINGS)
    described = Experiment(name="page", template=Template("def setup():\n    return 1\n", "page"))
    for name, default in rows:
        value = getattr(described, name)
        assert literal_eval(default) == (list(value) if name.endswith("_list") else value), name


class Judged(SupervisedSource, InMemoryFeedSource):
    """Vectors with a class and a mark each."""

    def _load(self) -> Mapping[str, Arrays]:
        data = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        return {"train": (data, np.arange(60) % 3, data.sum(1, keepdims=True))}


def test_a_brain_is_set_up_with_what_a_sensor_gives() -> None:
    """The first documentation's sensor with its jokers, and its brain of one layer."""
    source = akid.SyntheticFeedSource((32, 32, 3), num_train=256, num_val=64)
    sensor = akid.IntegratedSensor(source_in=source, batch_size=128, name="data")
    sensor.attach(akid.FlipJoker(flip_left_right=True, name="left_right_flip"))
    sensor.attach(akid.PaddingLayer(padding=[4, 4]))
    sensor.attach(akid.CropJoker(height=32, width=32, name="crop"))
    sensor.setup()
    brain = OneLayerBrain(name="brain")
    given = [sensor.data(), sensor.labels()]

    brain.setup(given)
    loss = brain(given)

    assert given[0].shape == (128, 3, 32, 32)
    scores = brain.get_layer_by_name("ip1").data
    torch.testing.assert_close(loss, functional.cross_entropy(scores, given[1]))


def test_a_list_of_labels_extends_what_a_brain_is_given() -> None:
    """As the first documentation does where `labels()` is a list; each loss reads its own."""
    sensor = akid.FeedSensor(source_in=Judged(num_train=60, num_val=0), batch_size=20)
    brain = akid.Brain(name="brain")
    brain.attach(akid.InnerProductLayer(out_channel_num=3, name="ip1"))
    ends = [{"name": "ip1"}, {"name": "system_in", "idxs": [1]}]
    brain.attach(akid.SoftmaxWithLossLayer(class_num=3, inputs=ends, name="loss1"))
    brain.attach(akid.InnerProductLayer(out_channel_num=1, name="ip2", inputs=ends[:1]))
    ends = [{"name": "ip2"}, {"name": "system_in", "idxs": [2]}]
    brain.attach(akid.MSELossLayer(inputs=ends, name="loss2"))

    given = [sensor.data()]
    given.extend(sensor.labels())
    brain.setup(given)
    brain(given)

    scores, marks = (brain.get_layer_by_name(name).data for name in ("ip1", "ip2"))
    expected = functional.cross_entropy(scores, given[1]) + ((marks - given[2]) ** 2).mean()
    torch.testing.assert_close(brain.data_loss, expected)


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.parent.name)
def test_each_experiment_can_be_planned_and_says_what_it_is_for(file: Path, place) -> None:
    """Every folder of experiments has a plan and a page with its command."""
    ran = place.sweep(file, "--dry-run", "--gpus-per-trial", 0)

    assert ran.code == 0
    page = (file.parent / "README.md").read_text(encoding="utf-8")
    assert f"python -m akid.sweep experiments/{file.parent.name}/experiment.py" in page
