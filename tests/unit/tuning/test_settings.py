"""Names of an experiment file: what is a setting, what is said elsewhere, what is one's own."""

import argparse
import inspect
from pathlib import Path

import pytest

from akid.commands import train
from akid.errors import ExperimentError
from akid.tuning.experiment import load
from akid.tuning.settings import SETTINGS, misplaced
from akid.tuning.tune import tune

SETUP = "def setup():\n    return {{ net_paras }}, {{ opt_paras }}\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "named.py"
    file.write_text(text + SETUP, encoding="utf-8")
    return file


def test_every_option_and_every_argument_is_a_setting_or_is_told_apart() -> None:
    """A new option of the command, or argument of `tune`, has to be added to one of them."""
    parser = argparse.ArgumentParser(add_help=False)
    train.add_arguments(parser)
    options = set(vars(parser.parse_args(["file.py"]))) - {"file"}
    arguments = set(inspect.signature(tune).parameters) - {"template"}

    assert {n for n in options | arguments if n not in SETTINGS and misplaced(n) is None} == set()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("repeat", "Did you mean repeat_times?"),
        ("repeats", "Did you mean repeat_times?"),
        ("net_paras", "Did you mean net_paras_list?"),
        ("gpus_per_trial", "Did you mean gpu_num_per_instance?"),
        ("gpu_per_trial", "Did you mean gpu_num_per_instance?"),
        ("name", "the option --name"),
        ("work_dir", "the option --work-dir"),
        ("rerun", "the option --rerun"),
        ("max_concurrent", "the option --max-concurrent"),
        ("tracking_url", "the option --tracking-uri"),
        ("epochs", "it is said to the kid, inside of setup"),
    ],
)
def test_what_is_said_elsewhere_is_refused_with_what_is_meant(
    tmp_path: Path, name: str, meant: str
) -> None:
    """In place of being ignored; near misses, too."""
    with pytest.raises(ExperimentError, match=f"named.py: {name} is no setting") as caught:
        load(written(tmp_path, f"{name} = 3\n"))

    assert meant in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "epochs = [1, 2]\nopt_paras_list = [{'epochs': n} for n in epochs]\n",
        "name = 'relu'\nnet_paras_list = [{'activation': name}]\n",
        "_name = 'Digits'\nWIDTHS = [1, 2]\nwidth = 3\n",
    ],
)
def test_a_constant_of_ones_own_is_no_fault(tmp_path: Path, text: str) -> None:
    """What the file itself uses, what begins with an underscore, what resembles nothing."""
    assert load(written(tmp_path, text)).name == "named"
