"""Stacks are written down when nothing is recorded."""

import threading
import time

from akid.tuning.stall import StackWatch


def wait_for(lock: threading.Lock) -> None:
    lock.acquire(timeout=0.5)


def test_silence_writes_the_stacks_of_all_threads(tmp_path) -> None:
    """Behind what the file holds already, and once for each silence."""
    file = tmp_path / "new" / "output.log"
    file.parent.mkdir()
    file.write_text("printed\n")
    lock = threading.Lock()
    with lock, StackWatch(file, 0.05, start_s=0.01):
        thread = threading.Thread(target=wait_for, args=(lock,))
        thread.start()
        thread.join(0.15)
    thread.join()

    text = file.read_text()
    assert text.startswith("printed\n")
    assert "in wait_for" in text
    assert "in test_silence_writes_the_stacks_of_all_threads" in text


def test_a_trial_that_records_is_left_alone(tmp_path) -> None:
    """Each row begins the wait anew, and after the end nothing is written."""
    file = tmp_path / "output.log"
    with StackWatch(file, 0.15, start_s=0.01) as watch:
        for _ in range(4):
            time.sleep(0.05)
            watch.heard()
    time.sleep(0.16)

    assert file.read_text() == ""


def test_the_first_record_may_take_longer(tmp_path) -> None:
    """A process that has just come up loads torch first."""
    file = tmp_path / "output.log"
    with StackWatch(file, 0.01, start_s=60):
        time.sleep(0.05)

    assert file.read_text() == ""


def test_without_a_limit_nothing_is_watched(tmp_path) -> None:
    """Nor is there a file."""
    with StackWatch(tmp_path / "output.log", None) as watch:
        watch.heard()

    assert not list(tmp_path.iterdir())
