"""A process that Ray's memory monitor ended, as Tune is told of it."""

import pickle
from types import SimpleNamespace

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.exceptions import ActorDiedError, OutOfMemoryError

from akid.tuning.failure import Failure, class_names, classify
from akid.tuning.memory_kill import MemoryKilledError, taken_for_an_actors_death

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
    with taken_for_an_actors_death():
        (error,) = failed(OutOfMemoryError(SAID))
        (other,) = failed(ActorDiedError())

    assert classify(class_names(error)) is Failure.MEMORY
    assert str(error) == SAID
    assert classify(class_names(other)) is Failure.LOST
    assert RayActorManager._actor_task_failed is kept


def test_tune_can_keep_it_in_a_file() -> None:
    """An error of an actor is pickled."""
    again = pickle.loads(pickle.dumps(MemoryKilledError(SAID)))

    assert isinstance(again, MemoryKilledError)
    assert str(again) == SAID
