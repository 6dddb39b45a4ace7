"""Environment: variables that processes inherit which are started within a block."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process's environment, and put back what they were.

    Yields:
        None.

    >>> with inherited({"AKID_EXAMPLE": "1"}):
    ...     os.environ["AKID_EXAMPLE"]
    '1'
    >>> "AKID_EXAMPLE" in os.environ
    False
    """
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in kept.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text
