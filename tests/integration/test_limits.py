"""Trials that stall, take too long or too much memory."""

import json
import re

import pytest

HANG = """
import os
from pathlib import Path

case, marker = {{ opt_paras["case"] }}, Path({{ opt_paras["marker"] }})

def wait_for_itself(lock):
    lock.acquire()

def hang_once(kid):
    import time

    time.sleep(0.5)  # what an epoch gave is told before the next one hangs
    if kid.clock.epoch != 3 or marker.exists():
        return
    marker.touch()
    if case == "lock":
        import threading

        lock = threading.Lock()
        lock.acquire()
        wait_for_itself(lock)
    if case == "native":
        import ctypes

        ctypes.PyDLL(None).sleep(1000)  # Python's lock is held: no other thread runs

kid.hooks.on_epoch_end.append(hang_once)
"""

SLOW = """
def cover_ears(kid):
    from pathlib import Path

    (sweep,) = Path(kid.log_dir).parent.glob(".tune/sweep-*")
    (sweep / "orders").symlink_to("nowhere")

def dawdle(kid):
    import time

    if kid.clock.epoch > 1:
        time.sleep(1000)

kid.hooks.on_train_begin.append(cover_ears)
kid.hooks.on_batch_begin.append(dawdle)
"""


def long(place, settings: str, after: str):
    """Write an experiment of five epochs that writes checkpoints."""
    file = place.empty(settings, after=after)
    short, five = "max_epoch=1, save_chk_point=False", "max_epoch=5, log_by_epoch=True"
    file.write_text(file.read_text().replace(short, five))
    return file


@pytest.mark.usefixtures("cluster")
def test_a_trial_that_hangs_tells_where_and_goes_on_from_its_checkpoint(place) -> None:
    """In a lock, and in native code that lets no other thread run: the stacks are in the log."""
    cells = [{"case": c, "marker": str(place.folder / c)} for c in ("none", "lock", "native")]
    (place.folder / "none").touch()
    settings = "stall_seconds = 6\nretries = {'stalled': 3}\n"

    ran = place.sweep(long(place, f"{settings}opt_paras_list = {cells}", HANG), "--json")

    assert ran.code == 0
    for case in ("lock", "native"):
        assert re.search(rf"case={case} .*is tried again: stalled", ran.err)
    calm, *hung = json.loads(ran.out)["trials"]
    for trial, function in zip(hung, ("wait_for_itself", "hang_once"), strict=True):
        assert trial["final"] == calm["final"]
        files = place.artifacts(trial["run_id"])
        stacks = (files / "output.log").read_text()
        assert "Timeout" in stacks
        assert f"in {function}" in stacks
        assert stacks.count("Thread 0x") >= 2
        log = (files / "training.log").read_text()
        assert "goes on from" in log


@pytest.mark.usefixtures("cluster")
def test_a_trial_that_takes_too_long_fails(place) -> None:
    """It is told to end; where it can't be told, it is ended by force. The reason is said.

    With more time the next sweep goes on from the last checkpoint.
    """
    file = long(place, "max_seconds = 20", SLOW)
    ran = place.sweep(file)

    assert ran.code == 1
    assert "took longer than max_seconds" in ran.out
    assert "can't be told to end" in ran.err
    (run,) = place.runs()
    assert run.data.tags["akid.status"] == "FAILED"
    assert run.data.tags["akid.failure"] == "timeout"
    assert "val_loss" in run.data.metrics
    assert re.search(r"failed \(timeout\) at step \d+: goes on", place.sweep(file, "--dry-run").out)
