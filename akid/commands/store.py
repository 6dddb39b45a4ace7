"""Store: the runs that a command is about."""

import argparse
from typing import TYPE_CHECKING

from akid.commands import subject
from akid.commands.arguments import add_tracking_uri

if TYPE_CHECKING:
    from akid.tuning.history import StoredRun
    from akid.tuning.mlflow_reader import MlflowReader

RUN: str = "a run's id, a unique begin of it, or a trial's name"


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where runs are looked for."""
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="look only in this MLflow experiment, or in that of this experiment file",
    )
    add_tracking_uri(parser)


def opened(options: argparse.Namespace) -> "MlflowReader":
    """Return a reader of the store that the options name.

    Raises:
        TrackingError: If there is none, or it can't be read.
    """
    from akid.tuning.mlflow_reader import MlflowReader
    from akid.tuning.mlflow_store import default_uri

    return MlflowReader(options.tracking_uri or default_uri())


def find(reader: "MlflowReader", run: str, options: argparse.Namespace) -> "StoredRun":
    """Return the run that an argument means.

    Raises:
        TrackingError: If it means none, or several.
    """
    place = None if options.experiment is None else subject.name_of(options.experiment)
    return reader.find(run, experiment=place)
