"""Another process that calls functions: what shows that an object survives the way to a worker."""

import functools
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

import torch

_LIMIT_S: Final = 120.0


def call_elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call `function` in another Python process and return what it returns.

    Function, arguments and result are pickled. The process is started afresh (not forked) with
    the first call, and serves all later ones.

    Raises:
        Exception: Whatever the function, or the pickling, raises.
    """
    return _worker().submit(function, *arguments).result(timeout=_LIMIT_S)


@functools.cache
def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=([*sys.path, os.getcwd()], torch.get_num_threads()),  # noqa: PTH109 - a string
    )


def _prepare(path: list[str], num_threads: int) -> None:
    sys.path[:] = path
    torch.set_num_threads(num_threads)
