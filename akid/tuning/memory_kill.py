"""Memory kill: what becomes of a trial whose process Ray's memory monitor has ended.

Ray then says `OutOfMemoryError`, which to Tune is neither the death of an actor nor the error of a
task: it ends all trials (ray.air.execution, `RayActorManager._actor_task_failed`, Ray 2.60). Here
it becomes the death of an actor that it is, under a name that `akid.tuning.failure` knows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

# The methods of Tune's that hear of an error, and what they call the one whose error it is.
_WHOSE: Final = {
    "_actor_start_failed": "tracked_actor",
    "_actor_task_failed": "tracked_actor_task",
}


class MemoryKilledError(RayActorError):  # type: ignore[misc]  # Ray has no types
    """Ray's memory monitor has ended an actor's process.

    Args:
        message: What the monitor said.
    """

    def __init__(self, message: str) -> None:
        super().__init__(error_msg=message)


@contextmanager
def taken_for_an_actors_death(hear: Callable[[Any, Exception], None]) -> Iterator[None]:
    """Let Tune see the end of one trial only.

    Args:
        hear: Told of each actor of Tune's whose work fails, and of the error, before Tune is: what
            Tune knows of it can only be read when it has copied a file.

    Yields:
        None.
    """
    kept = {name: getattr(RayActorManager, name) for name in _WHOSE}
    for name, method in kept.items():
        setattr(RayActorManager, name, _translating(method, _WHOSE[name], hear))
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(RayActorManager, name, method)


def _translating(
    method: Callable[..., None], whose: str, hear: Callable[[Any, Exception], None]
) -> Callable[..., None]:
    def failed(manager: RayActorManager, *, exception: Exception, **named: Any) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = MemoryKilledError(str(exception))
        subject = named[whose]
        hear(getattr(subject, "_tracked_actor", subject), exception)
        method(manager, subject, exception)

    return failed
