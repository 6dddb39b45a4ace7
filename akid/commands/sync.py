"""`akid.sweep sync`: send what sweeps could not tell their tracking store."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.commands import exit_codes
from akid.errors import ExperimentError, TrackingError

if TYPE_CHECKING:
    from akid.tuning.settling import Sent
    from akid.tuning.spool import Spool

DESCRIPTION: Final = (
    "Send what sweeps could not tell their tracking store. The next sweep of an experiment does it"
    " by itself."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "where",
        metavar="PLACE",
        nargs="?",
        type=Path,
        help="an experiment file, or the folder of sweeps or of one experiment"
        " (default: the --work-dir)",
    )
    parser.add_argument(
        "--work-dir",
        default="akid_runs",
        metavar="DIR",
        help="where the sweeps kept logs and checkpoints (default: akid_runs)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="the MLflow store, where it has another address now (default: the one of the sweep)",
    )


def run(options: argparse.Namespace) -> int:
    """Send what waits, and say what became of it."""
    from akid.cluster.work_dir import WorkDir
    from akid.tuning.spool import left_below

    folder = _folder(options.where, WorkDir.of(options.work_dir).local)
    files = left_below(folder)
    if not files:
        print(f"nothing waits below {folder}")
    are_sent = [_send(file, options.tracking_uri) for file in files]
    return exit_codes.FINISHED if all(are_sent) else exit_codes.FAILED


def _folder(where: Path | None, work_dir: Path) -> Path:
    """Return the folder below which to look."""
    from akid.tuning import experiment

    if where is None:
        return work_dir
    if where.is_dir():
        return where
    if where.suffix == ".py":
        return work_dir / experiment.load(where).name
    raise ExperimentError(
        f"{where}: expected an experiment file or a folder of sweeps, got neither."
        " Name the --work-dir of the sweep."
    )


def _send(file: Path, uri: str | None) -> bool:
    """Send what waits in one file, and return whether all is there."""
    from akid.tuning.spool import Spool

    try:
        spool = Spool.open_left(file)
        if spool is None:
            print(f"{file}: a sweep that is still running sends it")
            return True
        with closing(spool):
            sent = _sent(spool, uri)
    except TrackingError as error:
        print(f"akid.sweep: {error}", file=sys.stderr)
        return False
    rest = f", {sent.waiting} still wait" if sent.waiting else ""
    print(f"{file}: {sent.sent} events sent{rest}")
    for fault in sent.faults:
        print(f"akid.sweep: {fault}", file=sys.stderr)
    return not sent.waiting and not sent.faults


def _sent(spool: "Spool", uri: str | None) -> "Sent":
    from akid.tuning import settling
    from akid.tuning.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(uri or spool.head.uri, spool.head.experiment, create=False)
    return settling.send(tracker, spool)
