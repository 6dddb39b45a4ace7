"""`akid.sweep diff`: in what two runs differ."""

import argparse
from typing import Final

from akid.commands import exit_codes, store
from akid.commands.show import described

DESCRIPTION: Final = (
    "Show in what two trials' runs differ: parameters, environment with versions, metrics to the"
    " last digit, and the rendered source."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("first", metavar="RUN", help=store.RUN)
    parser.add_argument("second", metavar="RUN", help="another")
    store.add_place(parser)


def run(options: argparse.Namespace) -> int:
    """Print the differences."""
    from akid.tuning import run_text

    reader = store.opened(options)
    first, second = (described(reader, name, options) for name in (options.first, options.second))
    print(run_text.diff(first, second))
    return exit_codes.FINISHED
