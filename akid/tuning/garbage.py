"""Garbage: when Python's collector of reference cycles would look through much and find nothing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Make very many objects inside, none of them garbage, without looking for any.

    Else looking through them again and again takes more time than making them.

    Yields:
        None.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def loading() -> Iterator[None]:
    """Load large libraries inside; what they made is set aside from later collections.

    torch and Ray Train are loaded in three quarters of the processor time that they take else.

    Yields:
        None.
    """
    with garbage_kept():
        yield
        gc.freeze()
