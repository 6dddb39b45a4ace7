"""`akid.sweep show`: what the store has of a run."""

import argparse
from typing import TYPE_CHECKING, Final

from akid.commands import exit_codes, store

if TYPE_CHECKING:
    from akid.tuning.mlflow_reader import MlflowReader
    from akid.tuning.run_text import Described

DESCRIPTION: Final = (
    "Show a trial's run: status, parameters, metrics, environment, files and the rendered source,"
    " which is a program that trains it again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help=store.RUN)
    parser.add_argument("--against", metavar="RUN", help="also show in what another run differs")
    store.add_place(parser)


def run(options: argparse.Namespace) -> int:
    """Print the run."""
    from akid.tuning import run_text

    reader = store.opened(options)
    shown = described(reader, options.run, options)
    print(run_text.show(shown))
    if options.against is not None:
        print(f"\n{run_text.diff(described(reader, options.against, options), shown)}")
    return exit_codes.FINISHED


def described(reader: "MlflowReader", name: str, options: argparse.Namespace) -> "Described":
    """Return the run that an argument means, with what its files say.

    Raises:
        TrackingError: If it means none, or several.
    """
    from akid.tuning.run_text import PROGRAM, Described

    found = store.find(reader, name, options)
    return Described(
        run=found,
        source=reader.text(found.run_id, PROGRAM),
        files=reader.artifacts(found.run_id),
    )
