"""`akid.sweep plan FILE`: which trials would run and why, as `akid.sweep FILE --dry-run`."""

import argparse
from typing import Final

from akid.commands import train

DESCRIPTION: Final = (
    "Say which trials of an experiment would run, what each differs in and needs, and why it would"
    " run or not: new, failed or killed before, gone on with from a step, changed source, seed or"
    " data, finished (with which other versions of packages). Nothing is trained or written."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those of training, which decide what it would do."""
    train.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    options.dry_run = True
    return train.run(options)
