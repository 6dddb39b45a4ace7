"""A process that Ray's memory monitor ended, as Tune is told of it."""

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.exceptions import ActorDiedError, OutOfMemoryError

from akid.tuning.failure import Failure, classify
from akid.tuning.memory_kill import MemoryKilledError, taken_for_an_actors_death

GIB = 2**30
EATS = """
import time

import ray

cpus = ray.get_runtime_context().get_assigned_resources()["CPU"]
eats = {{ opt_paras["eats"] }} and cpus < 2
eaten = []
while eats:
    eaten.append(bytearray(64 * 2**20))
    time.sleep(0.05)
"""
SAID = "Task was killed due to the node running low on memory."


class Manager(RayActorManager):
    """Tune's, of actors that were never started."""

    def __init__(self) -> None:
        self._failed_actor_ids = set()

    def _cleanup_actor(self, tracked_actor: TrackedActor) -> None:
        """Do nothing: there is none."""


def failed(error: Exception) -> list[Exception]:
    """Return what Tune hears when a task of an actor fails, through Tune's own manager."""
    heard: list[Exception] = []

    def hear(actor: object, error: Exception) -> None:
        heard.append(error)

    task = SimpleNamespace(_tracked_actor=TrackedActor(1, on_error=hear), _on_error=None)
    Manager()._actor_task_failed(tracked_actor_task=task, exception=error)
    return heard


def test_it_is_an_actors_death_of_the_class_memory() -> None:
    """Outside of the block Tune ends everything; inside, one trial, and the reason is kept."""
    kept = RayActorManager._actor_task_failed
    told: list[Exception] = []
    with taken_for_an_actors_death(lambda _, error: told.append(error)):
        (error,) = failed(OutOfMemoryError(SAID))
        (other,) = failed(ActorDiedError())

    assert classify(error) is Failure.MEMORY
    assert str(error) == SAID
    assert classify(other) is Failure.LOST
    assert told == [error, other]
    assert RayActorManager._actor_task_failed is kept


def test_tune_can_keep_it_in_a_file() -> None:
    """An error of an actor is pickled."""
    again = pickle.loads(pickle.dumps(MemoryKilledError(SAID)))

    assert isinstance(again, MemoryKilledError)
    assert str(again) == SAID


class Container:
    """A control group with little memory, in which a command believes to have a machine to itself.

    As in a container: what the kernel says there of memory is the group's, for Ray too, and the
    group's limit keeps the machine out of harm's way.
    """

    def __init__(self, root: Path, limit: str, procs: str) -> None:
        self._root = root
        self._limit = limit
        self._procs = procs
        self.folder = root / f"akid-test-{os.getpid()}"

    def make(self, limit_bytes: int) -> None:
        self.folder.mkdir()
        (self.folder / self._limit).write_text(str(limit_bytes))

    def command(self, words: list[str]) -> list[str]:
        inside = f"echo $$ > {self.folder}/{self._procs} && mount --bind {self.folder} {self._root}"
        return ["unshare", "--mount", "bash", "-c", f'{inside} && exec "$@"', "bash", *words]

    def remove(self) -> None:
        deadline_s = time.monotonic() + 30
        while self.folder.is_dir():
            with contextlib.suppress(OSError):  # processes are on their way out of it
                self.folder.rmdir()
            assert time.monotonic() < deadline_s, f"expected that {self.folder} is empty"
            time.sleep(0.1)


@pytest.fixture
def container() -> Iterator[Container]:
    """Return 3 GiB of memory; control groups are of version 1 or 2."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    is_v1 = v1.is_dir()
    limit = "memory.limit_in_bytes" if is_v1 else "memory.max"
    made = Container(v1 if is_v1 else v2, limit, "cgroup.procs")
    try:
        made.make(3 * GIB)
        subprocess.run(made.command(["true"]), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        made.remove()
        pytest.skip(f"needs the right to make a control group of memory: {error}")
    yield made
    made.remove()


def test_what_the_monitor_ends_is_tried_again_on_the_whole_machine(place, container) -> None:
    """A trial takes all memory; it goes on alone and the others with it. All finish."""
    cells = [{"eats": False}, {"eats": True}]
    file = place.empty(f"opt_paras_list = {cells}", body=EATS)
    words = ["-m", "akid.sweep", file, "--tracking-uri", place.uri, "--num-gpus", "0"]
    command = [sys.executable, *map(str, words), "--num-cpus", "2"]
    watch = {"RAY_memory_usage_threshold": "0.8", "RAY_memory_monitor_refresh_ms": "50"}

    ran = subprocess.run(
        container.command(command),
        cwd=place.folder,
        env={**os.environ, **watch},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    sys.stdout.write(ran.stdout + ran.stderr)
    assert ran.returncode == 0
    assert "eats=True is tried again: memory, its process was ended by Ray" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [run.info.status for run in place.runs()] == ["FINISHED"] * 2
