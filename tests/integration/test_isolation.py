"""What a trial leaves behind in its process, and the threads and devices it gets."""

import json
from itertools import pairwise

import pytest

LOOK = """
import json
import os
import random
import sys
import threading
import time

import torch

number = {{ opt_paras["number"] }}
seen = {
    "began_s": time.time(),
    "pid": os.getpid(),
    "cwd": os.getcwd(),
    "mark": os.environ.get("AKID_TEST_MARK"),
    "dtype": str(torch.get_default_dtype()),
    "device": str(torch.get_default_device()),
    "grad": torch.is_grad_enabled(),
    "path": "/left" in sys.path,
    "threads": [thread.name for thread in threading.enumerate() if "left" in thread.name],
    "draws": [random.random(), np.random.rand(), torch.rand(()).item()],
    "num_threads": torch.get_num_threads(),
    "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "order": os.environ.get("CUDA_DEVICE_ORDER"),
    "compiler": "torch._dynamo" in sys.modules,
}
"""
LEAVE = """
torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")
os.chdir("/")
os.environ["AKID_TEST_MARK"] = "left"
sys.path.insert(0, "/left")
random.seed(number)
torch.manual_seed(number)
np.random.seed(number)
if number in (1, 2):
    waiting = threading.Event().wait if number == 1 else lambda: [time.sleep(1) for _ in range(99)]
    threading.Thread(target=waiting, name="left", daemon=number == 2).start()
"""
NOTE = """
with open({file!r} + str(number), "w") as file:
    json.dump(seen | {{"ended_s": time.time()}}, file)
"""


def _sweep(place, settings, *arguments, leave=""):
    """Sweep and return what each trial saw."""
    note = NOTE.format(file=str(place.folder / "seen"))
    leave = leave and f"def leave(kid):\n    {'    '.join(leave.splitlines(keepends=True))}\n"
    hook = leave and "kid.hooks.on_train_end.append(leave)\n"
    note = f"def note(kid):\n    {'    '.join(note.strip().splitlines(keepends=True))}\n"
    after = f"{note}\nkid.hooks.on_train_end.append(note)\n{leave}\n{hook}"
    ran = place.sweep(place.empty(settings, body=LOOK, after=after), *arguments)
    assert ran.code == 0
    return [json.loads(file.read_text()) for file in sorted(place.folder.glob("seen*"))]


@pytest.fixture(scope="module")
def seen(shared_place, cluster) -> list[dict]:
    """Return what four trials saw, one after the other, each of which left a mess."""
    settings = "opt_paras_list = [{'number': n} for n in range(4)]"
    return _sweep(shared_place, settings, "--max-concurrent", 1, leave=LEAVE)


@pytest.mark.parametrize("what", ["cwd", "mark", "dtype", "device", "grad", "path", "threads"])
def test_the_next_trial_does_not_see_what_the_last_one_left(seen, what) -> None:
    """Each trial finds the process as the first one did."""
    assert [trial[what] for trial in seen] == [seen[0][what]] * 4


def test_cleaning_up_does_not_load_torchs_compiler(seen) -> None:
    """Which takes longer than all that a process does for its first trial beside loading torch."""
    assert not any(trial["compiler"] for trial in seen)


def test_global_generators_start_from_the_trials_seed(seen) -> None:
    """So that a `setup` that draws by itself gives the same in every process."""
    assert [trial["draws"] for trial in seen] == [seen[0]["draws"]] * 4


def test_a_process_serves_many_trials_until_one_leaves_a_thread(seen) -> None:
    """Trials 1 and 2 left one, the second a daemon."""
    pids = [trial["pid"] for trial in seen]

    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


def test_max_concurrent_1_is_one_at_a_time(seen) -> None:
    """In the documented order, too."""
    assert all(a["ended_s"] < b["began_s"] for a, b in pairwise(seen))


def test_a_trial_has_its_cpus_as_threads_and_its_own_gpus(place, cluster) -> None:
    """Two CPUs are two threads; without a share no GPU is visible."""
    seen = _sweep(
        place,
        "opt_paras_list = [{'number': n} for n in range(2)]\n"
        "gpu_num_per_instance = [0, 2]\ncpu_num_per_instance = 2",
    )

    assert [trial["num_threads"] for trial in seen] == [2, 2]
    assert [trial["devices"] for trial in seen] == ["", "0,1"]
    assert [trial["order"] for trial in seen] == ["PCI_BUS_ID"] * 2


def test_shares_of_a_gpu_are_one_thread_and_one_gpu_each(place, cluster) -> None:
    """A trial with half a GPU sees one."""
    seen = _sweep(
        place,
        "opt_paras_list = [{'number': n} for n in range(2)]\ncpu_num_per_instance = 0.5\n"
        "gpu_num_per_instance = 0.5",
    )

    assert [trial["num_threads"] for trial in seen] == [1, 1]
    assert {trial["devices"] for trial in seen} <= {"0", "1"}


def test_auto_keeps_a_gpu_for_what_it_cannot_measure(place, cluster) -> None:
    """Logical GPUs have no memory; the trials run all the same, one on each."""
    ran = place.sweep(place.empty("repeat_times = 2"), "--gpus-per-trial", "auto")

    assert ran.code == 0
    assert "keeps a GPU for itself: there is no GPU that can be measured" in ran.err
