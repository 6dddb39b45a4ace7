"""What a trial leaves in its process is undone, or named where it can't be."""

import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from akid.tuning.execute import MODULE_PREFIX
from akid.tuning.hygiene import ProcessState


@pytest.fixture(scope="module", autouse=True)
def _heap() -> None:
    """Set aside what tests before left alive, as a worker does after its first trial."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def event() -> Iterator[threading.Event]:
    """Return an event that is set at the end, for threads that wait for it."""
    event = threading.Event()
    yield event
    event.set()


def test_a_process_is_brought_back(tmp_path) -> None:
    """Folder, environment, path and torch's settings."""
    state = ProcessState.take()
    before = (Path.cwd(), dict(os.environ), list(sys.path))

    os.chdir(tmp_path)
    os.environ["AKID_TEST_LEFT"] = "1"
    os.environ.pop("HOME", None)
    sys.path.insert(0, "/left")
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_float32_matmul_precision("medium")

    assert state.restore(first=False) == []
    assert (Path.cwd(), dict(os.environ), list(sys.path)) == before
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == "highest"


def test_what_a_gpus_memory_hung_on_is_gone_before_torch_gives_it_back(monkeypatch) -> None:
    """A cycle that still lived would leave its memory with torch, beside the next trial's."""
    state = ProcessState.take()
    cycle = threading.local()
    cycle.own = cycle
    kept = weakref.ref(cycle)
    lives = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: lives.append(kept() is not None))
    del cycle

    state.restore(first=False)

    assert lives == [False]


def test_a_thread_that_still_runs_is_named(event) -> None:
    """Python can't end it."""
    state = ProcessState.take()
    thread = threading.Thread(target=event.wait, name="left")
    thread.start()

    assert state.restore(first=False) == ["the thread 'left' still runs"]
    event.set()
    thread.join()
    assert state.restore(first=False) == []


def test_a_librarys_background_thread_may_stay(event) -> None:
    """A daemon is the trial's own only if it runs the trial's code."""
    state = ProcessState.take()
    threading.Thread(target=event.wait, name="library's", daemon=True).start()
    module = ModuleType(f"{MODULE_PREFIX}3")
    module.event = event
    started = threading.Event()
    module.started = started
    exec("def wait():\n    started.set()\n    event.wait()", module.__dict__)
    threading.Thread(target=module.wait, name="trial's", daemon=True).start()
    started.wait()

    assert state.restore(first=False) == ['the thread "trial\'s" still runs']
