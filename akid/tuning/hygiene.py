"""Hygiene: what a trial leaves behind in its process is undone before the next one starts."""

import gc
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """The state of a process that a trial may change, taken before the first trial.

    Attributes:
        cwd: The working folder.
        environment: The environment variables.
        path: Where modules are searched.
        threads: The running threads, by their identity.
    """

    cwd: Path
    environment: dict[str, str]
    path: tuple[str, ...]
    threads: frozenset[int] = field(default_factory=frozenset)

    @classmethod
    def take(cls) -> "ProcessState":
        """Return this process's state now."""
        return cls(
            cwd=Path.cwd(),
            environment=dict(os.environ),
            path=tuple(sys.path),
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
        os.environ.clear()
        os.environ.update(self.environment)
        sys.path[:] = self.path
        _reset_torch()
        _collect_garbage(first=first)
        return [
            f"the thread {thread.name!r} still runs"
            for thread in threading.enumerate()
            if id(thread) not in self.threads and not thread.daemon
        ]


def _collect_garbage(*, first: bool) -> None:
    """Free the last trial's cycles at once, on the GPU too.

    What is alive after the first trial is mostly the modules that it loaded: it is set aside, or
    each collection would look through all of torch again (0.1 s).
    """
    gc.collect()
    if first:
        gc.freeze()


def _reset_torch() -> None:
    """Undo torch's process-wide settings, if a trial has loaded it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.set_default_dtype(torch.float32)
    torch.set_default_device("cpu")
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(mode=False)
    torch.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
