"""A trial's folder that is kept in an object store, here one that is a folder of this machine."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from akid.cluster.object_folder import ObjectFolder
from akid.cluster.work_dir import SCRATCH
from akid.errors import StorageError, TakenOverError
from akid.tuning.execute import ToldToStop
from akid.tuning.mirror import Mirror, MirrorTiming

QUICK = MirrorTiming(look_s=0.01, longest_pause_s=0.02, patience_s=10.0, short_patience_s=0.1)
HASTY = MirrorTiming(look_s=0.01, longest_pause_s=0.02, patience_s=0.1, short_patience_s=0.1)


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch"))


class Place:
    """A store that may be away, and what was noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"file://{folder}/0-trial"
        self.notes: list[str] = []
        self.is_to_stop = False
        folder.mkdir()

    def mirror(self, *sources: str, timing: MirrorTiming = QUICK, name: str = "0-trial") -> Mirror:
        return Mirror(
            f"file://{self.folder}/{name}",
            name=name,
            sources=sources,
            is_to_stop=lambda: self.is_to_stop,
            on_note=self.notes.append,
            timing=timing,
        )

    def go_away(self) -> None:
        self.folder.rename(self.folder.with_name("away"))
        self.folder.touch()

    def come_back(self) -> None:
        self.folder.unlink()
        self.folder.with_name("away").rename(self.folder)

    def names(self, name: str = "0-trial") -> set[str]:
        newest = ObjectFolder(f"file://{self.folder}/{name}").newest()
        return set(newest.files) if newest is not None else set()


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path / "store")


def practise(folder: Path, *steps: int) -> None:
    """Write what a kid writes up to some checkpoints, the first of which is the best."""
    (folder / "model").mkdir(exist_ok=True)
    for step in steps:
        with (folder / "rows.jsonl").open("a") as rows:
            rows.write(f"{step}\n")
        (folder / "model" / f".checkpoint-{step}.pt.1").write_text(f"weights {step}")
        file = folder / "model" / f"checkpoint-{step}.pt"
        (folder / "model" / f".checkpoint-{step}.pt.1").rename(file)
        if not (folder / "model" / "best.pt").exists():
            (folder / "model" / "best.pt").hardlink_to(file)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_a_checkpoint_is_in_the_store_while_the_trial_goes_on(place) -> None:
    """With the rows up to it; the best weights, which are the same file, are there once."""
    with place.mirror() as mirror:
        practise(mirror.folder, 2)
        wait_until(lambda: "model/checkpoint-2.pt" in place.names())
        files = ObjectFolder(place.uri).newest().files
        assert set(files) == {"model/checkpoint-2.pt", "model/best.pt", "rows.jsonl"}
        assert files["model/best.pt"] == files["model/checkpoint-2.pt"]
        (mirror.folder / "rows.jsonl").write_text("2\nend\n")

    assert ObjectFolder(place.uri).newest().files["rows.jsonl"].size_bytes == 6
    assert not mirror.folder.exists()
    assert place.notes == []


def test_another_machine_goes_on_from_the_newest_checkpoint(place) -> None:
    """It has no use for those before it; what it does not change is not written again."""
    with place.mirror() as mirror:
        practise(mirror.folder, 2, 4, 6)
    before = ObjectFolder(place.uri).newest().files

    with place.mirror(place.uri) as mirror:
        assert contents(mirror.folder) == {
            "rows.jsonl": "2\n4\n6\n",
            "model/best.pt": "weights 2",
            "model/checkpoint-6.pt": "weights 6",
        }
        practise(mirror.folder, 8)

    after = ObjectFolder(place.uri).newest().files
    assert place.names() == {
        "rows.jsonl",
        "model/best.pt",
        "model/checkpoint-6.pt",
        "model/checkpoint-8.pt",
    }
    assert after["model/checkpoint-6.pt"] == before["model/checkpoint-6.pt"]


def test_a_damaged_checkpoint_is_passed_over(place) -> None:
    """The one before it is fetched, and it is said; with the best all others are looked at."""
    with place.mirror() as mirror:
        practise(mirror.folder, 2, 4, 6)
    files = ObjectFolder(place.uri).newest().files
    for name in ("model/checkpoint-6.pt", "model/best.pt"):
        (place.folder / "0-trial" / files[name].key).write_text("x" * files[name].size_bytes)

    with place.mirror(place.uri) as mirror:
        assert set(contents(mirror.folder)) == {"rows.jsonl", "model/checkpoint-4.pt"}
    assert any("passes over model/checkpoint-6.pt" in note for note in place.notes)


def test_a_fresh_start_sets_aside_what_was_there(place) -> None:
    """Nothing of it is fetched, nothing of it is lost."""
    with place.mirror() as mirror:
        practise(mirror.folder, 2)
    with place.mirror() as mirror:
        assert contents(mirror.folder) == {}

    assert "model/checkpoint-2.pt" in place.names("0-trial~1")
    assert place.names() == set()


def test_a_trial_that_had_another_number_moves(place) -> None:
    """What is in its way is set aside; a retry finds it in its new place."""
    for name, step in (("0-trial", 2), ("1-trial", 4)):
        with place.mirror(name=name) as mirror:
            practise(mirror.folder, step)
    other = f"file://{place.folder}/1-trial"

    with place.mirror(place.uri, name="1-trial") as mirror:
        assert contents(mirror.folder)["rows.jsonl"] == "2\n"
    with place.mirror(place.uri, other, name="1-trial") as mirror:
        assert contents(mirror.folder)["rows.jsonl"] == "2\n"

    assert place.names() == set()
    assert "model/checkpoint-4.pt" in place.names("1-trial~1")


def test_a_store_that_is_away_is_told_once_and_tried_again(place) -> None:
    """The trial goes on; when the store is back, all is there."""
    with place.mirror() as mirror:
        place.go_away()
        practise(mirror.folder, 2)
        wait_until(lambda: len(place.notes) == 1)
        practise(mirror.folder, 4)
        time.sleep(0.1)
        place.come_back()
        wait_until(lambda: "model/checkpoint-4.pt" in place.names())

    down, up = place.notes
    assert "the trial goes on" in down
    assert "answers again" in up


def test_a_trial_has_not_finished_before_its_last_checkpoint_is_in_the_store(place) -> None:
    """It waits for it, up to a limit; then it fails, and its folder goes all the same."""
    mirror = place.mirror(timing=HASTY)

    def finish() -> None:
        with mirror:
            practise(mirror.folder, 2)
            place.go_away()

    with pytest.raises(StorageError, match="can't"):
        finish()
    assert not mirror.folder.exists()


def test_an_error_of_the_trial_is_not_hidden_by_one_of_the_store(place) -> None:
    """What could not be kept is noted."""

    def fail() -> None:
        with place.mirror():
            place.go_away()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "what it wrote last is not in" in place.notes[-1]


def test_a_trial_that_waits_can_be_told_to_stop(place) -> None:
    """At its begin and at its end."""
    place.is_to_stop = True
    place.go_away()
    with pytest.raises(ToldToStop), place.mirror():
        pass
    place.come_back()
    with pytest.raises(ToldToStop), place.mirror():
        place.go_away()


def test_an_attempt_that_was_taken_over_writes_nothing_more(place) -> None:
    """It finds out with its next checkpoint; the other one's files stay."""
    earlier = place.mirror()

    def go_on() -> None:
        with earlier:
            practise(earlier.folder, 2)
            wait_until(lambda: "model/checkpoint-2.pt" in place.names())
            with place.mirror(place.uri) as later:
                practise(later.folder, 4)
                practise(earlier.folder, 3)
                wait_until(lambda: earlier._is_taken_over)
                earlier.check_own()

    with pytest.raises(TakenOverError, match="that of another process"):
        go_on()
    assert "model/checkpoint-4.pt" in place.names()
    assert "model/checkpoint-3.pt" not in place.names()
