"""`akid.sweep compare`: how the combinations of an experiment did, and how sure that is."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from akid.commands import exit_codes, store, subject
from akid.commands.arguments import add_tracking_uri, positive

if TYPE_CHECKING:
    from akid.tuning.history import History

DESCRIPTION: Final = (
    "Compare the combinations of parameters that an experiment's runs have: mean, standard"
    " deviation and confidence interval over the repeats, and which differences chance does not"
    " explain. With --by, runs that share those parameters are one group. A trial that ran again"
    " counts once; runs of an earlier setup are left out."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    subject.add_experiment(parser)
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="NAME",
        help="group by a parameter, for example net.activation (may be repeated)",
    )
    parser.add_argument("--top", type=positive, metavar="N", help="show only the best N groups")
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        metavar="X",
        help="of the intervals and the tests (default: 0.95)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with all pairs")
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--md", action="store_true", help="print a Markdown table")
    add_tracking_uri(parser)


def run(options: argparse.Namespace) -> int:
    """Print the comparison, and on standard error what makes it doubtful."""
    from akid.tuning import comparison_text, table
    from akid.tuning.compare import compare
    from akid.tuning.history import History

    asked = subject.chosen(options)
    history = History.of(store.opened(options).trials(asked.name))
    comparison = compare(
        history.records(),
        by=options.by,
        metric=asked.metric,
        mode=asked.mode,
        confidence=options.confidence,
    )
    warnings = _warnings(history)
    if options.json:
        print(comparison_text.to_json(comparison, options.top, warnings=warnings))
    elif options.csv:
        print(comparison_text.to_csv(comparison, options.top), end="")
    elif options.md:
        print(comparison_text.to_markdown(comparison, options.top, warnings=warnings), end="")
    else:
        table.print_comparison(comparison, top=options.top)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return exit_codes.FINISHED


def _warnings(history: "History") -> Sequence[str]:
    from akid.tuning import mixture

    mixed = mixture.mixed(run.tags for run in history.counted)
    doubt = [f"these runs mix versions: {'; '.join(mixed)}."] if mixed else []
    return [*doubt, *history.notes()]
