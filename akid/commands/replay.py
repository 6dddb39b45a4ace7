"""`akid.sweep replay`: train a recorded trial again and see whether it comes to the same."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.cluster import temporary
from akid.commands import exit_codes, store

if TYPE_CHECKING:
    from akid.tuning.history import StoredRun

DESCRIPTION: Final = (
    "Rebuild a trial from its MLflow run alone (source with its own modules, seed, threads), train"
    " it in a fresh process in this folder, and say for each metric whether it is equal to the last"
    " digit. Exit code 0: all are equal, or it fails as recorded; 1: not. The program of the run is"
    " executed, so replay only what you trust."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help=store.RUN)
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="keep the program, the log and the checkpoints in a new folder in DIR",
    )
    store.add_place(parser)


def run(options: argparse.Namespace) -> int:
    """Train the trial again and compare."""
    from akid.tuning import replay, run_text

    reader = store.opened(options)
    found = store.find(reader, options.run, options)
    with _folder(options.work_dir, found) as folder:
        program = reader.fetch(found.run_id, run_text.PROGRAM, folder)
        print(f"replays {found.label}, run {found.run_id}", flush=True)
        _warn(found)
        outcome = replay.replay(found.known, program, folder)
        is_same = outcome.repeats(found.known)
        print(run_text.replayed(found, outcome))
        if options.work_dir is not None:
            print(f"log and checkpoints: {folder}")
    return exit_codes.FINISHED if is_same else exit_codes.FAILED


def _warn(found: "StoredRun") -> None:
    from akid.tuning import mixture, provenance

    source = Path(found.tags.get("mlflow.source.name", ""))
    now = provenance.tags(source if source.is_file() else None) | provenance.worker_tags()
    for text in mixture.changed(found.tags, now):
        print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def _folder(parent: Path | None, found: "StoredRun") -> Iterator[Path]:
    """Make a new folder, which stays if its place was asked for."""
    name = f"replay-{found.run_id[:8]}"
    if parent is None:
        with temporary.folder(name) as folder:
            yield folder
        return
    parent.mkdir(parents=True, exist_ok=True)
    yield Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent)).resolve()
