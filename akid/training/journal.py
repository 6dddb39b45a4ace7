"""Journal: the log of one kid, as records of `logging` and as a file while it practises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, final

from akid.training.patient_file import open_log

_logger = logging.getLogger(__name__)
_FORMAT: Final = "%(levelname).1s %(asctime)s %(process)d] %(message)s"


@final
class Journal:
    """Logs for one kid, each message with its name.

    The file gets every message whatever levels the program has set for its own log, and only those
    of this kid.

    Args:
        name: The kid's name.
    """

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._file: logging.StreamHandler[TextIO] | None = None

    def info(self, message: str) -> None:
        """Log a message."""
        self._log(logging.INFO, message)

    def warning(self, message: str) -> None:
        """Log a warning."""
        self._log(logging.WARNING, message)

    def _log(self, level: int, message: str) -> None:
        text = f"{self._name}: {message}"
        record = _logger.makeRecord(_logger.name, level, __file__, 0, text, (), None)
        if _logger.isEnabledFor(level):
            _logger.handle(record)
        if self._file is not None:
            self._file.handle(record)

    @contextmanager
    def writing_to(self, path: Path | None) -> Iterator[None]:
        """Add a file for the time of the `with` block; None adds none.

        Practice outlives a full disk: what that does not take is lost.

        Yields:
            None.
        """
        if path is None:
            yield
            return
        with open_log(path) as stream:
            self._file = logging.StreamHandler(stream)
            self._file.setFormatter(logging.Formatter(_FORMAT))
            try:
                yield
            finally:
                self._file.close()
                self._file = None
