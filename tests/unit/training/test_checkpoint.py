import os
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from akid.errors import CheckpointError
from akid.training import checkpoint
from akid.training.checkpoint import CheckpointFolder

STATE = {"weights": torch.arange(3.0), "_extra_state": {"step": 3}}


def write(folder: CheckpointFolder, *steps: int, is_best: bool = False) -> None:
    for step in steps:
        folder.write(STATE, step=step, is_best=is_best)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Tensors and plain values come back as they were."""
    path = CheckpointFolder(tmp_path / "model").write(STATE, step=3, is_best=False)

    assert path == tmp_path / "model" / "checkpoint-3.pt"
    state = checkpoint.read(path)
    assert state["weights"].tolist() == [0, 1, 2]
    assert state["_extra_state"] == {"step": 3}


def test_the_last_five_are_kept_defect_41(tmp_path: Path) -> None:
    """Five stay, sorted by number and not by text; nothing else lies in the folder."""
    folder = CheckpointFolder(tmp_path)
    write(folder, *range(1, 12))

    assert folder.steps() == [7, 8, 9, 10, 11]
    assert len(list(tmp_path.iterdir())) == 5
    newest = folder.newest()
    assert newest is not None
    assert newest.name == "checkpoint-11.pt"


def test_the_best_outlives_the_last_few(tmp_path: Path) -> None:
    """`best.pt` is the best checkpoint, also when that one is dropped, and costs no second file."""
    folder = CheckpointFolder(tmp_path, keep=2)
    folder.write({"weights": torch.zeros(1)}, step=1, is_best=True)
    assert folder.best_path.samefile(folder.path_of(1))
    write(folder, 2, 3)

    assert folder.steps() == [2, 3]
    assert checkpoint.read(folder.best_path)["weights"].tolist() == [0]


def test_the_best_is_replaced(tmp_path: Path) -> None:
    """A better one takes the name over."""
    folder = CheckpointFolder(tmp_path)
    write(folder, 1, 2, is_best=True)

    assert folder.best_path.samefile(folder.path_of(2))


def test_the_best_is_copied_where_links_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without hard links gets a copy."""

    def refuse(*paths: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    folder = CheckpointFolder(tmp_path)
    write(folder, 1, is_best=True)

    assert folder.best_path.read_bytes() == folder.path_of(1).read_bytes()


def test_an_interrupted_writer_leaves_no_checkpoint(tmp_path: Path) -> None:
    """If writing fails, the older checkpoint of that step is untouched and no remains are left."""
    folder = CheckpointFolder(tmp_path)
    write(folder, 1)
    before = folder.path_of(1).read_bytes()

    with pytest.raises(AttributeError):
        folder.write({"weights": lambda: None}, step=1, is_best=False)

    assert folder.path_of(1).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_remains_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    """A file that was never renamed goes with the next checkpoint."""
    (tmp_path / ".checkpoint-1.pt.123").write_text("half")
    write(CheckpointFolder(tmp_path), 2)

    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2.pt"]


def test_a_place_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    """The message names the path and what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError, match=r"to write .*checkpoint-1\.pt.*save_chk_point=False"):
        write(CheckpointFolder(tmp_path / "file"), 1)


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    """The message names the path."""
    folder = CheckpointFolder(tmp_path)
    write(folder, 1)
    path = folder.path_of(1)
    path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(CheckpointError, match=r"expected a checkpoint at .*checkpoint-1\.pt"):
        checkpoint.read(path)


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    """A bare state dict is no checkpoint."""
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")

    with pytest.raises(CheckpointError, match="expected a file of format 1"):
        checkpoint.read(tmp_path / "other.pt")


def test_reading_executes_nothing_defect_41(tmp_path: Path) -> None:
    """A pickle that would call something is refused."""

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "touched"),)

    torch.save({"format": 1, "state": Evil()}, tmp_path / "evil.pt")

    with pytest.raises(CheckpointError):
        checkpoint.read(tmp_path / "evil.pt")
    assert not (tmp_path / "touched").exists()


def test_a_mismatch_lists_names_and_shapes_and_loads_nothing_defect_41() -> None:
    """There is no silent fresh start, and no half of a state is taken over."""
    old = nn.Sequential(OrderedDict(conv=nn.Linear(2, 3), head=nn.Linear(3, 1, bias=False)))
    new = nn.Sequential(OrderedDict(conv=nn.Linear(2, 3), tail=nn.Linear(3, 4, bias=False)))
    before = {name: value.clone() for name, value in new.state_dict().items()}

    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_into(new, old.state_dict(), who="Kid")

    assert "missing tail.weight (4, 3)" in str(caught.value)
    assert "unexpected head.weight (1, 3)" in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in new.state_dict().items())


def test_a_mismatch_of_shape_shows_both() -> None:
    """The message has the shape in the file and the one expected."""
    with pytest.raises(CheckpointError, match=r"weight is \(3, 2\) in place of \(3, 5\)"):
        checkpoint.load_into(nn.Linear(5, 3), nn.Linear(2, 3).state_dict(), who="Kid")


def test_a_flipped_bit_in_a_tensor_is_an_error(tmp_path: Path) -> None:
    """A disk that gives back something else is noticed, though the file can be opened."""
    tensor = torch.arange(1000.0)
    path = CheckpointFolder(tmp_path).write({"weight": tensor}, step=1, is_best=False)
    content = bytearray(path.read_bytes())
    content[content.index(tensor.numpy().tobytes()) + 1234] ^= 1
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="differs from its checksum"):
        checkpoint.read(path)


def test_an_earlier_runs_checkpoints_are_set_aside(tmp_path: Path) -> None:
    """They are renamed, never deleted, and never mixed with the new ones."""
    folder = CheckpointFolder(tmp_path / "model")
    assert folder.set_aside() is None
    write(folder, 1)
    assert folder.set_aside() == tmp_path / "model-1"
    write(folder, 2)
    assert folder.set_aside() == tmp_path / "model-2"

    assert folder.steps() == []
    assert CheckpointFolder(tmp_path / "model-1").steps() == [1]
