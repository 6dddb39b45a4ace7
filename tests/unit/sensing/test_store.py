import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from akid.errors import DownloadError
from akid.sensing.prepared import Pixels, Prepared, PreparedSplit
from akid.sensing.store import stored
from akid.sensing.window import Normalization


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Prepared:
        self.calls += 1
        return Prepared(
            {
                "train": PreparedSplit([torch.arange(24.0).view(2, 3, 4), torch.arange(2)]),
                "test": PreparedSplit([torch.empty(0, 3, 4), torch.empty(0, dtype=torch.int64)]),
            }
        )


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def test_data_are_made_once_and_read_as_they_were(tmp_path: Path) -> None:
    """Shapes, types, values and the fingerprint survive; another key is other data."""
    make = Maker()

    first, second = stored(tmp_path, ("a", 1), make), stored(tmp_path, ("a", 1), make)

    assert make.calls == 1
    for name, split in make().splits.items():
        for prepared in (first, second):
            for expected, got in zip(split.tensors, prepared.splits[name].tensors, strict=True):
                assert got.dtype == expected.dtype
                assert torch.equal(got, expected)
    assert first.fingerprint() == second.fingerprint() == make().fingerprint()
    make.calls = 0
    stored(tmp_path, ("a", 2), make)
    assert make.calls == 1


def test_bytes_are_kept_beside_the_data(tmp_path: Path) -> None:
    """With what makes numbers of them."""
    pixels = Pixels(
        images=torch.arange(24, dtype=torch.uint8).view(2, 3, 4),
        normalization=Normalization(subtract=127.5, divide=255.0),
    )
    make = Prepared({"train": PreparedSplit([torch.zeros(2, 3, 4)], pixels)})

    stored(tmp_path, "key", lambda: make)
    found = stored(tmp_path, "key", lambda: make).splits["train"].pixels

    assert found is not None
    assert torch.equal(found.images, pixels.images)
    assert found.normalization == pixels.normalization


def test_who_writes_changes_his_own_copy_only(tmp_path: Path) -> None:
    """Neither the file nor what others map is changed."""
    first, second = stored(tmp_path, "key", Maker()), stored(tmp_path, "key", Maker())

    first.splits["train"].tensors[0].fill_(-1)

    for prepared in (second, stored(tmp_path, "key", Maker())):
        assert prepared.splits["train"].tensors[0].flatten().tolist() == list(range(24))


@pytest.mark.parametrize("damage", ["cut", "missing", "note", "no note"])
def test_damaged_files_are_made_anew(tmp_path: Path, damage: str) -> None:
    """Whatever is not whole counts as not there."""
    make = Maker()
    stored(tmp_path, "key", make)
    (entry,) = entries(tmp_path)
    if damage == "cut":
        (entry / "train-0").write_bytes(b"x" * 10)
    elif damage == "missing":
        (entry / "train-1").unlink()
    elif damage == "note":
        (entry / "note.json").write_text("{")
    else:
        (entry / "note.json").unlink()

    prepared = stored(tmp_path, "key", make)

    assert make.calls == 2
    assert prepared.splits["train"].tensors[1].tolist() == [0, 1]


def test_a_folder_that_can_not_be_used_only_costs_time(tmp_path: Path) -> None:
    """The data are made in memory."""
    make = Maker()
    (tmp_path / "file").write_text("")

    prepared = stored(tmp_path / "file" / "folder", "key", make)

    assert make.calls == 1
    assert len(prepared.splits["train"]) == 2


def test_an_error_of_the_making_is_not_taken_for_the_folders(tmp_path: Path) -> None:
    """A failed download is raised as it is, and nothing is left behind."""

    def fail() -> Prepared:
        raise DownloadError("no network")

    with pytest.raises(DownloadError, match="no network"):
        stored(tmp_path, "key", fail)
    assert not entries(tmp_path)


def test_the_least_recently_used_data_are_removed(tmp_path: Path) -> None:
    """What is mapped stays readable; what was used lately stays."""
    first = stored(tmp_path, 0, Maker())
    for number in range(1, 13):
        stored(tmp_path, number, Maker())
        (newest,) = [p for p in entries(tmp_path) if p.stat().st_mtime > 1e9][-1:]
        os.utime(newest)
    make = Maker()

    assert len(entries(tmp_path)) == 12
    assert first.splits["train"].tensors[0].sum() == sum(range(24))
    stored(tmp_path, 12, make)
    assert make.calls == 0


def _work(folder: Path, counts: Path) -> None:
    def make() -> Prepared:
        (counts / str(os.getpid())).touch()
        return Maker()()

    assert len(stored(folder, "key", make).splits["train"]) == 2


def test_of_many_processes_one_makes_the_data(tmp_path: Path) -> None:
    """The others wait and map what it made."""
    folder, counts = tmp_path / "prepared", tmp_path / "counts"
    counts.mkdir()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_work, args=(folder, counts)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * 4
    assert len(list(counts.iterdir())) == 1
