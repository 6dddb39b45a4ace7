"""Checkpoints: the whole state of a kid as a file, written so that it is never found half done."""

import os
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, final

import torch
from torch import Tensor, nn

from akid.errors import CheckpointError, DiskFullError
from akid.training.full_disk import is_full_disk

_FORMAT: Final = 1
_NAME: Final = re.compile(r"checkpoint-(\d+)\.pt")


@final
class CheckpointFolder:
    """The checkpoints of one run: `checkpoint-<step>.pt`, the last few of them, and `best.pt`.

    One process at a time writes into a folder.

    Args:
        path: The folder; it is made when the first checkpoint is written.
        keep: How many of the last checkpoints stay; the best one stays besides.
    """

    def __init__(self, path: Path, *, keep: int = 5) -> None:
        self.path: Final = path
        self.keep: Final = keep

    @property
    def best_path(self) -> Path:
        """Where the best checkpoint lies, if any."""
        return self.path / "best.pt"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, ascending."""
        steps = (step_of(path.name) for path in self.path.glob("checkpoint-*.pt"))
        return sorted(step for step in steps if step is not None)

    def path_of(self, step: int) -> Path:
        """Return where the checkpoint of `step` lies or would lie."""
        return self.path / f"checkpoint-{step}.pt"

    def newest(self) -> Path | None:
        """Return the checkpoint of the last step, or None."""
        steps = self.steps()
        return self.path_of(steps[-1]) if steps else None

    def write(self, state: Mapping[str, Any], *, step: int, is_best: bool) -> Path:
        """Write the checkpoint of `step`, point `best.pt` to it if it is best, drop the oldest.

        Raises:
            DiskFullError: If there is no room; what was there before is left as it was.
            CheckpointError: If the file system refuses for another reason.
        """
        path = self.path_of(step)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            content = {"format": _FORMAT, "step": step, "state": dict(state)}
            _replace(path, lambda file: torch.save(content, file))
            if is_best:
                _point(self.best_path, path)
            for old in self.steps()[: -self.keep]:
                self.path_of(old).unlink(missing_ok=True)
            for remains in self.path.glob(".*.pt.*"):  # of a writer that was killed
                remains.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
            kind = DiskFullError if is_full_disk(error) else CheckpointError
            raise kind(
                f"Checkpoint: expected to write {path}, got {_cause(error)!r}."
                " Free the place, or practise with save_chk_point=False."
            ) from error
        return path

    def set_aside(self) -> Path | None:
        """Rename a folder that holds an earlier run's checkpoints; return its new path."""
        if not self.steps():
            return None
        number = 1
        while (target := self.path.with_name(f"{self.path.name}-{number}")).exists():
            number += 1
        return self.path.rename(target)


def step_of(name: str) -> int | None:
    """Return the step of the checkpoint that has this file name; None if it is another file's.

    >>> step_of("checkpoint-20.pt"), step_of("best.pt")
    (20, None)
    """
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def read(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint's state onto the CPU; nothing in it is executed.

    Returns:
        The flat dict that `kid.state_dict()` gave.

    Raises:
        CheckpointError: If there is no such file, or it is no checkpoint.
    """
    try:
        _check_whole(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may fail anywhere inside of torch and zipfile
        raise CheckpointError(
            f"Checkpoint: expected a checkpoint at {path}, got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(
            f"Checkpoint: expected a file of format {_FORMAT} at {path}, got"
            f" {content.get('format') if isinstance(content, dict) else type(content).__name__!r}."
        )
    return dict(content["state"])


def _check_whole(path: Path | str) -> None:
    """Compare every part of the file with its checksum, which torch itself does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} differs from its checksum")


def load_into(module: nn.Module, state: Mapping[str, Any], *, who: str) -> None:
    """Load `state` into `module` if every name and every shape fits; otherwise change nothing.

    Raises:
        CheckpointError: If they differ; it lists the names and the shapes.
    """
    if faults := differences(module.state_dict(), state):
        raise CheckpointError(
            f"{who}: expected a checkpoint of the same parts, got one that differs: "
            + "; ".join(faults)
            + ". Build the kid as it was when the checkpoint was written, or start afresh."
        )
    module.load_state_dict(dict(state))


def differences(expected: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """Say in which names and shapes two states differ.

    >>> differences({"a": torch.zeros(2), "b": torch.zeros(1)}, {"a": torch.zeros(3)})
    ['missing b (1,)', 'a is (3,) in place of (2,)']
    """
    missing = [f"missing {name} {_shape(expected[name])}" for name in expected if name not in got]
    excess = [f"unexpected {name} {_shape(got[name])}" for name in got if name not in expected]
    reshaped = [
        f"{name} is {_shape(got[name])} in place of {_shape(value)}"
        for name, value in expected.items()
        if name in got and _shape(got[name]) != _shape(value)
    ]
    return missing + excess + reshaped


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else "(no tensor)"


def _cause(error: BaseException) -> BaseException:
    """Return what the operating system said, where torch says only that it could not go on."""
    said = error.__context__
    return said if not isinstance(error, OSError) and isinstance(said, OSError) else error


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file and put it at `path` in one go, with all its bytes on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _point(path: Path, target: Path) -> None:
    """Put the same file at `path`: a hard link, or a copy where the file system has no links."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(target, temporary)
    except OSError:
        _replace(path, lambda file: file.write(target.read_bytes()))
        return
    temporary.replace(path)
