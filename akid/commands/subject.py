"""Subject: which experiment a command is about."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from akid.tuning.experiment import Experiment


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """An experiment, and what it is judged by.

    Attributes:
        name: How the store calls it.
        metric: What its runs are judged by; None chooses.
        mode: "max" or "min"; None follows from the metric's name.
    """

    name: str
    metric: str | None
    mode: str | None


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Declare the experiment and what it is judged by."""
    parser.add_argument(
        "experiment",
        metavar="EXPERIMENT",
        help="an MLflow experiment's name, or an experiment file",
    )
    parser.add_argument(
        "--metric", metavar="M", help="what to judge by (default: the experiment's, or validation)"
    )
    parser.add_argument(
        "--mode", choices=("max", "min"), help="which values are best (default: by the metric)"
    )


def chosen(options: argparse.Namespace) -> Subject:
    """Return the experiment that the options name; of a file, name, metric and mode are read.

    Raises:
        ExperimentError: If the experiment file is wrong.
    """
    described = _described(options.experiment)
    if described is None:
        return Subject(name=options.experiment, metric=options.metric, mode=options.mode)
    is_its_own = options.metric in (None, described.metric)
    return Subject(
        name=described.name,
        metric=options.metric or described.metric,
        mode=options.mode or (described.mode if is_its_own else None),
    )


def name_of(text: str) -> str:
    """Return the name of an experiment that is given by it, or by its file.

    Raises:
        ExperimentError: If the experiment file is wrong.
    """
    described = _described(text)
    return text if described is None else described.name


def _described(text: str) -> "Experiment | None":
    """Return the experiment of a file; None if the text is no file's name."""
    from akid.tuning import experiment

    path = Path(text)
    is_file = path.suffix == ".py" or path.is_file()
    return experiment.load(path) if is_file else None
