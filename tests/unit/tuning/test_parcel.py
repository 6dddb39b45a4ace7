"""Which run is the best, and where its brain may go."""

import math

import pytest

from akid.errors import TrackingError
from akid.tuning.parcel import best_of, check_folder
from akid.tuning.results import TrialRecord


def record(index: int, value: float, status: str = "FINISHED") -> TrialRecord:
    return TrialRecord(
        index=index,
        label=str(index),
        repeat=0,
        net_paras={},
        opt_paras={},
        seed=0,
        key=str(index),
        status=status,
        best={"val_loss": value},
    )


def test_the_best_is_a_finished_run_with_a_value() -> None:
    """Of equal ones the first; failed ones and NaN are none."""
    found = [record(0, 0.5), record(1, 0.25), record(2, 0.25), record(3, math.nan)]
    found.append(record(4, 0.0, "FAILED"))

    assert best_of(found, "val_loss", "min").index == 1
    assert best_of(found, "val_loss", "max").index == 0


def test_no_best_of_nothing() -> None:
    """The statuses that there are are named."""
    with pytest.raises(TrackingError, match="'val_loss', got none: FAILED"):
        best_of([record(0, 0.5, "FAILED")], "val_loss", "min")
    with pytest.raises(TrackingError, match="got none: FINISHED"):
        best_of([record(0, 0.5)], "val_accuracy", "max")


def test_nothing_is_overwritten(tmp_path) -> None:
    """A new folder is fine, an empty one as well."""
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="is a folder that is not empty"):
        check_folder(tmp_path)
    with pytest.raises(TrackingError, match="is a file"):
        check_folder(tmp_path / "file")
