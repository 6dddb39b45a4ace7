"""Output: what a trial prints, kept in a file of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

from akid.training.patient_file import open_log

FILE_NAME: Final = "output.log"


@contextmanager
def kept_in(file: Path) -> Iterator[None]:
    """Append what this process prints inside the `with` block to `file`, line by line.

    So nothing is lost when the process dies, and a full disk is no fault of the program that
    prints. There is no file if nothing was printed.

    Yields:
        None.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(open_log(file))
        stack.enter_context(redirect_stdout(stream))
        stack.enter_context(redirect_stderr(stream))
        try:
            yield
        finally:
            if file.exists() and file.stat().st_size == 0:
                file.unlink()
