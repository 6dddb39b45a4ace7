"""Parcel: the best trained brain of an experiment as a folder that loads by itself."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from akid.errors import TrackingError
from akid.tuning import mixture, strict_json
from akid.tuning.history import StoredRun
from akid.tuning.mlflow_reader import MlflowReader
from akid.tuning.results import FINISHED, Mode, TrialRecord, value_of
from akid.tuning.run_text import PROGRAM

CHECKPOINT: Final = "best.pt"
"""The file of a run that has its best weights."""

_LOADER: Final = '''"""{title}

    from load import load

    brain = load()                # takes a batch of its own data set to be set up by
    brain = load([data, labels])  # or this one
    brain([data, labels])         # brain.evals has the metrics, brain.get_layer_by_name(...).data

Made with akid {akid} and torch {torch}. Loading executes trial.py and nothing of best.pt.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def load(inputs=None, *, device="cpu"):
    """Return the brain with its best weights, in evaluation mode."""
    from akid.tuning.program import load_brain

    return load_brain(HERE / "{program}", HERE / "{checkpoint}", inputs=inputs, device=device)


if __name__ == "__main__":
    print(load().summary())
'''


def best_of(records: Sequence[TrialRecord], metric: str, mode: Mode) -> TrialRecord:
    """Return the finished trial with the best value of a metric; of equal ones the first.

    Raises:
        TrackingError: If none finished with a value of it.
    """
    sign = 1 if mode == "max" else -1
    values = ((sign * value_of(one, metric), one) for one in records if one.status == FINISHED)
    judged = [(value, record) for value, record in values if math.isfinite(value)]
    if not judged:
        statuses = ", ".join(sorted({record.status for record in records})) or "no runs"
        raise TrackingError(
            f"expected a finished run with the metric {metric!r}, got none: {statuses}."
        )
    return max(judged, key=lambda pair: pair[0])[1]


def check_folder(folder: Path) -> None:
    """Refuse a place for a parcel at which there is something.

    Raises:
        TrackingError: If it is a file, or a folder that is not empty.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        what = "a folder that is not empty" if folder.is_dir() else "a file"
        raise TrackingError(
            f"--export: expected a new or empty folder, got {str(folder)!r}, which is {what}."
            " Name another one."
        )


def pack(reader: MlflowReader, run: StoredRun, folder: Path, *, metric: str) -> list[Path]:
    """Write a run's best checkpoint, its program and a loader into a folder; return the files.

    Raises:
        TrackingError: If the folder is not empty, or the run lacks its checkpoint or its program.
    """
    check_folder(folder)
    kept = reader.artifacts(run.run_id)
    if not {CHECKPOINT, PROGRAM} <= set(kept):
        raise TrackingError(
            f"run {run.run_id} ({run.label}): expected {CHECKPOINT} and {PROGRAM} in the"
            f" tracking store, got {', '.join(kept) or 'no file at all'}. A kid writes"
            " checkpoints when it validates, unless it has save_chk_point=False."
        )
    for name in (CHECKPOINT, PROGRAM):
        reader.fetch(run.run_id, name, folder)
    texts = {"load.py": _loader(run), "run.json": _description(run, metric)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in sorted({CHECKPOINT, PROGRAM, *texts})]


def _loader(run: StoredRun) -> str:
    versions = mixture.versions(run.tags)
    return _LOADER.format(
        title=f"Load the brain of run {run.run_id}; run.json says which that is.",
        akid=versions.get("akid", "?"),
        torch=versions.get("torch", "?"),
        program=PROGRAM,
        checkpoint=CHECKPOINT,
    )


def _description(run: StoredRun, metric: str) -> str:
    known = run.known
    return strict_json.dumps(
        {
            "run_id": run.run_id,
            "experiment": run.experiment,
            "label": run.label,
            "chosen_by": metric,
            "parameters": run.columns,
            "repeat": run.repeat,
            "seed": known.seed,
            "best": known.best,
            "test": known.test,
            "versions": mixture.versions(run.tags),
        }
    )
