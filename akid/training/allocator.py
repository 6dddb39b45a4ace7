"""Allocator: a process that trains keeps the memory that it frees, for the next step."""

import ctypes
import os
from typing import Final

_KEPT_BYTES: Final = 1 << 30
_TRIM_THRESHOLD: Final = -1  # names of glibc's malloc.h
_MMAP_THRESHOLD: Final = -3
_USERS_OWN: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to a gibibyte, until `give_back`.

    A step frees its activations and gradients, and the next one asks for the same again. glibc
    gives large blocks back to the system at once, which clears each page before it hands it out
    anew: LeNet spends a tenth of its step on a CPU with that. (glibc manual, "Malloc Tunable
    Parameters".)

    Returns:
        Whether it does; not where the user has set glibc's own variables, or the C library is
        another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _USERS_OWN):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT_BYTES) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


def give_back() -> None:
    """Give the system back what is freed, in C libraries that can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
