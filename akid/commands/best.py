"""`akid.sweep best`: the best run of an experiment, and its trained brain as a folder."""

import argparse
from pathlib import Path
from typing import Final

from akid.commands import exit_codes, store, subject
from akid.commands.arguments import add_tracking_uri

DESCRIPTION: Final = (
    "Name the finished run with the best value of a metric, which is a single repeat. With --export"
    " write its best checkpoint, its program and a loader into a folder: `load.load()` there gives"
    " the brain with its weights."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    subject.add_experiment(parser)
    parser.add_argument("--export", type=Path, metavar="DIR", help="a new or empty folder")
    add_tracking_uri(parser)


def run(options: argparse.Namespace) -> int:
    """Print the best run, and export it."""
    from akid.tuning import parcel
    from akid.tuning.history import History
    from akid.tuning.number_text import amount
    from akid.tuning.results import resolve_metric, value_of

    if options.export is not None:
        parcel.check_folder(options.export)
    asked = subject.chosen(options)
    reader = store.opened(options)
    history = History.of(reader.trials(asked.name))
    records = history.records()
    metric, mode = resolve_metric(records, asked.metric, asked.mode)
    best = parcel.best_of(records, metric, mode)
    better = "larger" if mode == "max" else "smaller"
    runs = amount(len(records), "run")
    print(
        f"{best.label}: {metric} {value_of(best, metric):.6g}, the best of {runs}"
        f" ({better} is better)\nrun {best.run_id}"
    )
    if options.export is not None:
        for file in parcel.pack(reader, history.counted[best.index], options.export, metric=metric):
            print(file)
    return exit_codes.FINISHED
