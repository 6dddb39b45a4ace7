"""Store: prepared data as files that all processes of a machine map into their memory."""

import fcntl
import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from akid.errors import AkidError
from akid.sensing.prepared import Pixels, Prepared, PreparedSplit
from akid.sensing.window import Normalization

_FORMAT: Final = 2
_KEEP: Final = 12
_DTYPES: Final = {str(dtype): dtype for dtype in (torch.float32, torch.int64, torch.uint8)}

logger = logging.getLogger(__name__)


def stored(folder: Path, key: Hashable, make: Callable[[], Prepared]) -> Prepared:
    """Return what lies under `key` in the folder, or make it and put it there.

    The tensors are mapped files: they are there at once, and however many processes map them, they
    are in memory once. Who writes to such a tensor writes to a copy of his own. Processes that want
    the same data at the same time wait for the one that makes them. The least recently used data
    are removed; a folder that can't be written to is only a loss of time.

    Args:
        folder: Where all prepared data lie; made where it is missing.
        key: Says everything that the data depend on, by its `repr`.
        make: Called if there are no whole data of that key.
    """
    made = None
    entry = folder / hashlib.sha256(repr((_FORMAT, key)).encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (found := _read(entry)) is not None:
            return found
        with _locked(entry.with_suffix(".lock")):
            if (found := _read(entry)) is None:
                made = make()
                _write(entry, made)
                _remove_oldest(folder)
                found = _read(entry)
            if found is not None:
                return found
    except AkidError:
        raise
    except OSError as error:
        logger.warning("data are prepared in memory, %s can't be used: %s", folder, error)
    return made or make()


def _read(entry: Path) -> Prepared | None:
    """Map the files of an entry; None unless all are there in the size that they should have."""
    try:
        note = json.loads((entry / "note.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    splits = {}
    for name, descriptions in note["splits"].items():
        tensors = [_map(entry, description) for description in descriptions]
        whole = [tensor for tensor in tensors if tensor is not None]
        if len(whole) < len(tensors):
            return None
        splits[name] = PreparedSplit(whole, _read_pixels(entry, note["pixels"].get(name)))
    with suppress(PermissionError):
        os.utime(entry)
    return Prepared(splits, fingerprint=note["fingerprint"])


def _map(entry: Path, description: dict[str, Any]) -> Tensor | None:
    path, shape = entry / description["file"], description["shape"]
    dtype, num = _DTYPES[description["dtype"]], math.prod(shape)
    if num == 0:
        return torch.empty(shape, dtype=dtype)
    if not path.is_file() or path.stat().st_size != num * dtype.itemsize:
        return None
    return torch.from_file(str(path), shared=False, size=num, dtype=dtype).view(shape)


def _write(entry: Path, prepared: Prepared) -> None:
    """Write an entry beside its place and move it there when it is whole."""
    part = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    try:
        splits, pixels = {}, {}
        for name, split in prepared.splits.items():
            if split.pixels is not None:
                pixels[name] = _write_pixels(part, f"{name}-pixels", split.pixels)
            splits[name] = [
                _write_tensor(part, f"{name}-{number}", tensor)
                for number, tensor in enumerate(split.tensors)
            ]
        note = {"fingerprint": prepared.fingerprint(), "splits": splits, "pixels": pixels}
        (part / "note.json").write_text(json.dumps(note))
        part.chmod(0o755)
        shutil.rmtree(entry, ignore_errors=True)
        part.rename(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_tensor(part: Path, file: str, tensor: Tensor) -> dict[str, Any]:
    tensor.numpy().tofile(part / file)
    return {"file": file, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}


def _write_pixels(part: Path, file: str, pixels: Pixels) -> dict[str, Any]:
    normalization = pixels.normalization or Normalization()
    steps = {"subtract": normalization.subtract, "divide": normalization.divide}
    return {**_write_tensor(part, file, pixels.images), "steps": steps}


def _read_pixels(entry: Path, description: dict[str, Any] | None) -> Pixels | None:
    if description is None or (images := _map(entry, description)) is None:
        return None
    return Pixels(images=images, normalization=Normalization(**description["steps"]))


def _remove_oldest(folder: Path) -> None:
    """Keep the data used last; what another process has mapped stays readable to it."""
    entries = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries[_KEEP:]:
        shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time in; the lock of one that died is free."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
