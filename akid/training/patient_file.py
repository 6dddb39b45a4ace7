"""Patient file: a log whose writer goes on when the disk is full; what it lost stands in it."""

import io
import os
from pathlib import Path
from typing import Any, Final, final

from akid.training.full_disk import is_full_disk

_LOST: Final = "[{} bytes are missing here: the disk was full]\n"


def open_log(path: Path) -> io.TextIOWrapper:
    """Open a text file to append to, line by line, and make its folder where there is none.

    A full disk raises nothing, neither here nor later: what it does not take is lost, and once
    there is room the file says how much that was.

    Args:
        path: Where the file lies.

    Raises:
        OSError: If it can't be opened for another reason than a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = _PatientFile(path)
    except OSError as error:
        if not is_full_disk(error):
            raise
        raw = _PatientFile(Path(os.devnull))
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=True)


@final
class _PatientFile(io.FileIO):
    """A file that takes whatever it is given; below any buffer, so that none keeps what is lost."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "ab")
        self._lost_bytes = 0

    def write(self, data: Any, /) -> int:  # a buffer of bytes
        size = memoryview(data).nbytes
        try:
            if self._lost_bytes:
                super().write(_LOST.format(self._lost_bytes).encode())
                self._lost_bytes = 0
            return super().write(data)
        except OSError as error:
            if not is_full_disk(error):
                raise
            self._lost_bytes += size
            return size
