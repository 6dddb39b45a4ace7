"""Subject: which experiment a command is about."""

import argparse
from dataclasses import dataclass
from pathlib import Path


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
    from akid.tuning import experiment

    path = Path(options.experiment)
    if path.suffix != ".py" and not path.is_file():
        return Subject(name=options.experiment, metric=options.metric, mode=options.mode)
    described = experiment.load(path)
    is_its_own = options.metric in (None, described.metric)
    return Subject(
        name=described.name,
        metric=options.metric or described.metric,
        mode=options.mode or (described.mode if is_its_own else None),
    )
