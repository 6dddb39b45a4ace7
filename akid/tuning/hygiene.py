"""Hygiene: what a trial leaves behind in its process is undone before the next one starts."""

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from akid.training import allocator
from akid.tuning.execute import MODULE_PREFIX
from akid.tuning.torch_settings import TorchSettings


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """The state of a process that a trial may change, taken before the first trial.

    Attributes:
        cwd: The working folder.
        environment: The environment variables.
        path: Where modules are searched.
        torch: How torch is set.
        threads: The running threads, by their identity.
    """

    cwd: Path
    environment: dict[str, str]
    path: tuple[str, ...]
    torch: TorchSettings
    threads: frozenset[int] = field(default_factory=frozenset)

    @classmethod
    def take(cls) -> "ProcessState":
        """Return this process's state now."""
        return cls(
            cwd=Path.cwd(),
            environment=dict(os.environ),
            path=tuple(sys.path),
            torch=TorchSettings.take(),
            threads=frozenset(id(thread) for thread in threading.enumerate()),
        )

    def restore(self, *, first: bool) -> list[str]:
        """Bring the process back to this state.

        Args:
            first: Whether it was the process's first trial.

        Returns:
            What could not be undone, one sentence each; empty when the process is clean.
        """
        os.chdir(self.cwd)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        sys.path[:] = self.path
        self.torch.restore()
        _forget_compiled()
        _free_memory(first=first)
        return [*self._left_threads(), *_left_processes()]

    def _left_threads(self) -> Iterator[str]:
        """Name the trial's threads; those that libraries keep in the background may stay."""
        for thread in threading.enumerate():
            is_new = id(thread) not in self.threads
            if is_new and (not thread.daemon or _is_in_trial_code(thread)):
                yield f"the thread {thread.name!r} still runs"


def _is_in_trial_code(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 (documented)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(MODULE_PREFIX):
            return True
        frame = frame.f_back
    return False


def _left_processes() -> list[str]:
    return [f"the process {child.name!r} still runs" for child in multiprocessing.active_children()]


def _forget_compiled() -> None:
    """Forget what the last trial compiled, if it did.

    torch compiles a function eight times at most, then runs it as it is; all brains share theirs.
    """
    import torch

    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def _free_memory(*, first: bool) -> None:
    """Free the last trial's cycles at once, on the GPU too, and give the memory back.

    What is alive after the first trial is mostly the modules that it loaded: it is set aside, or
    each collection would look through all of torch again (0.1 s).
    """
    import torch

    gc.collect()
    torch.cuda.empty_cache()  # nothing where CUDA is not in use
    allocator.give_back()
    if first:
        gc.freeze()
