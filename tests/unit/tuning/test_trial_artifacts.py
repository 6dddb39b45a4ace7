"""The files of a trial, wherever it keeps them."""

import io

import pytest

from akid.cluster.object_folder import Generation, Mark, ObjectFolder
from akid.errors import TrackingError
from akid.tuning import trial_artifacts
from akid.tuning.rows import RowFile, left_in

MARK = Mark(1, "0123abcd", 0)


def test_files_of_a_folder_are_where_they_are(tmp_path) -> None:
    """Nothing is copied; a file may be missing."""
    with trial_artifacts.at_hand(trial_artifacts.of(str(tmp_path))) as files:
        assert files["best.pt"] == tmp_path / "model" / "best.pt"
        assert set(files) == {"trial.py", "training.log", "output.log", "best.pt"}


def test_files_of_an_object_store_are_copied_for_a_while(tmp_path) -> None:
    """A file that is not there is missing here."""
    store = ObjectFolder(f"file://{tmp_path}/0-trial")
    best = store.put("model/best.pt", io.BytesIO(b"weights"), MARK)
    store.seal(Generation(mark=MARK, files={"model/best.pt": best}))

    with trial_artifacts.at_hand(trial_artifacts.of(store.uri)) as files:
        assert files["best.pt"].read_text() == "weights"
        assert not files["training.log"].exists()
    assert not files["best.pt"].exists()


def test_a_store_that_can_not_be_used_is_a_fault_of_tracking() -> None:
    """So that the artifacts wait, as for a store of runs."""
    files = trial_artifacts.of("nothing://bucket/0-trial")

    with pytest.raises(TrackingError, match="can't open"), trial_artifacts.at_hand(files):
        pass


def test_rows_are_found_in_an_object_store(tmp_path) -> None:
    """As in a folder; nothing where nothing is known."""
    rows = RowFile(tmp_path / "here", "key")
    rows.begin()
    rows.add({"step": 3, "time_s": 1.0})
    rows.close()
    store = ObjectFolder(f"file://{tmp_path}/0-trial")
    with (tmp_path / "here" / "rows.jsonl").open("rb") as stream:
        content = store.put("rows.jsonl", stream, MARK)
    store.seal(Generation(mark=MARK, files={"rows.jsonl": content}))

    assert left_in(store.uri, "key").step == left_in(str(tmp_path / "here"), "key").step == 3
    assert left_in(store.uri, "another") is None
    assert left_in(f"file://{tmp_path}/nothing", "key") is None
    assert left_in("", "key") is None
