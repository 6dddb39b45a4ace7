"""Performance: one practice of a kid on a worker group, seen from the process that waits for it."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, final

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError

from akid.cluster import modules
from akid.errors import SetupError, TrainingError
from akid.training.contact import WorkerLostError
from akid.training.exchange import END, ROW_EVENTS, Answer, Event, Failure
from akid.training.hooks import Hooks, Onlooker
from akid.training.kid import Kid
from akid.training.ray_bytes import from_bytes
from akid.training.ray_group import WorkerGroup
from akid.training.ray_worker import Task
from akid.training.single_engine import SingleEngine

_OWN_EVENTS: Final = ("on_train_end", "on_batch_monitoring")
"""Called when all is done; and not at all."""
_LOOK_EVERY_S: Final = 0.5
_REASON_WITHIN_S: Final = 5.0
"""How long the others may take to say why they left one of them alone."""
_END_WITHIN_S: Final = 30.0


@final
class Performance:
    """One practice on a group; the group is dismissed unless the practice comes to its end.

    Args:
        kid: The kid that is at home here; its hooks are called as the workers go on.
        copy: What of it the workers begin with, from `copy_of`.
        options: Of the engine, for each worker's `SingleEngine`.
        group: Who practises.
    """

    def __init__(self, kid: Kid, copy: bytes, options: dict[str, Any], group: WorkerGroup) -> None:
        self.has_begun = False
        self._kid = kid
        self._copy = copy
        self._options = options
        self._group = group
        self._failures: list[Failure] = []
        self._fault: RayError | None = None

    def run(self, *, resumes: bool) -> None:
        """Practise to the end.

        Raises:
            WorkerLostError: If a worker died.
            Exception: Whatever a worker or a hook raised, as it is.
        """
        is_complete = False
        try:
            self._listen(self._group.begin(self._task(resumes=resumes)))
            is_complete = not self._failures and self._fault is None
        finally:
            if not is_complete:
                self._group.dismiss()
        self._raise_failures()

    def _task(self, *, resumes: bool) -> Task:
        kid = self._kid
        assert kid.seed is not None
        return Task(
            name=kid.label,
            kid=self._copy,
            options=self._options,
            heard=tuple(_heard(kid)),
            asked=tuple(_asked(kid)),
            resumes=resumes,
            folder=str(kid.log_dir),
            seed=kid.seed,
            threads=self._group.threads,
            modules=modules.current(),
        )

    def _listen(self, ends: list[Any]) -> None:
        """Hear what rank 0 says, until it has said all or a worker has failed."""
        said = self._group.hear()
        while not self._failures and self._fault is None:
            ready, _ = ray.wait([said, *ends], num_returns=1, timeout=_LOOK_EVERY_S)
            self._look_on()
            if not ready:
                continue
            done = ready[0]
            if done != said:
                ends.remove(done)
                self._note_end(done)
            elif (what := self._got(said)) == END:
                self._wait_for(ends, _END_WITHIN_S)
                return
            elif what is not None:
                said = self._group.hear()
                self._hear(what)
        if all(isinstance(_unpickled(failure), WorkerLostError) for failure in self._failures):
            self._wait_for(ends, _REASON_WITHIN_S)

    def _look_on(self) -> None:
        """Call who looks on at each batch: now and then, as the workers do not wait for it."""
        if "on_batch_begin" not in _asked(self._kid):
            self._kid.react("on_batch_begin")

    def _got(self, reference: Any) -> Any:
        try:
            return ray.get(reference)
        except RayError as error:
            if not _is_loss(error):
                raise
            self._fault = error
            return None

    def _note_end(self, end: Any) -> None:
        failure = self._got(end)
        if failure is not None:
            self._failures.append(failure)

    def _wait_for(self, ends: list[Any], limit_s: float) -> None:
        done, missing = ray.wait(ends, num_returns=len(ends), timeout=limit_s) if ends else ([], [])
        for end in done:
            self._note_end(end)
        if missing and not self._failures and self._fault is None:
            text = f"{len(missing)} workers did not end within {limit_s:g} s after rank 0 did."
            self._failures.append(Failure(rank=0, text=text, error=None))

    def _hear(self, event: Event) -> None:
        stops = self._follow(event)
        if event.is_question:
            self._group.answer(Answer(stops=stops, lr_value=self._kid.kongfu.lr_value))

    def _follow(self, event: Event) -> bool:
        kid = self._kid
        lr_value = kid.kongfu.lr_value
        kid.resemble(from_bytes(event.likeness))
        if lr_value is not None:
            kid.kongfu.lr_value = lr_value
        if event.name == "on_train_begin":
            self.has_begun = True
            begins_anew = kid.step == 0 and not kid.is_settled
            kid.rows = [row for row in kid.rows if row["step"] <= kid.step and not begins_anew]
        if event.name in ROW_EVENTS:
            kid.rows.append(kid.last_row)
        return event.name not in _OWN_EVENTS and kid.react(event.name)

    def _raise_failures(self) -> None:
        """Raise what a worker has raised by itself rather than what followed from it."""
        errors = [(failure, _unpickled(failure)) for failure in self._failures]
        errors.sort(key=lambda pair: isinstance(pair[1], WorkerLostError))
        num_workers = self._group.num_workers
        if errors and not isinstance(errors[0][1], WorkerLostError):
            failure, error = errors[0]
            error.add_note(f"In worker {failure.rank} of {num_workers}:\n{failure.text}")
            raise error
        if self._fault is not None or errors:
            raise WorkerLostError(
                f"{self._kid.label}: expected all {num_workers} workers to practise to the"
                " end, got one that died: too little memory, a crash in native code, a call of"
                f" os._exit or the loss of a machine do that. {_last_line(self._fault)} Go on from"
                " the last checkpoint with continue_from_chk_point=True, or give the engine"
                " max_restarts."
            ) from self._fault


def _heard(kid: Kid) -> Iterator[str]:
    """Give the events that workers have to tell of."""
    for field in fields(kid.hooks):
        if getattr(kid.hooks, field.name) and field.name not in _OWN_EVENTS:
            yield field.name


def _asked(kid: Kid) -> Iterator[str]:
    """Give those of which hooks do more than look on, so that workers have to wait for them."""
    for event in _heard(kid):
        if any(not isinstance(hook, Onlooker) for hook in getattr(kid.hooks, event)):
            yield event


def copy_of(kid: Kid, options: dict[str, Any]) -> bytes:
    """Return a copy of the kid for the workers, pickled, without its hooks and rows.

    Its `log_dir` becomes absolute: workers may stand in other folders.

    Args:
        kid: The kid.
        options: Of its engine, for a `SingleEngine` that has the engine's state in the copy.

    Raises:
        SetupError: If it can't be pickled.
    """
    assert kid.log_dir is not None
    kid.log_dir = Path(kid.log_dir).resolve()
    engine, hooks, rows = kid.engine, kid.hooks, kid.rows
    stand_in = SingleEngine(device="cpu", **options)
    stand_in.set_extra_state(engine.get_extra_state())
    kid.engine, kid.hooks, kid.rows = stand_in, Hooks(), []
    try:
        pickled: bytes = cloudpickle.dumps(kid)
    except Exception as error:
        raise SetupError(
            f"{kid.label}: expected a kid that can be sent to other processes, as engine"
            f" 'data_parallel' does, got one that can't: {type(error).__name__}: {error}."
        ) from error
    finally:
        kid.engine, kid.hooks, kid.rows = engine, hooks, rows
    return pickled


def _unpickled(failure: Failure) -> BaseException:
    if failure.error is not None:
        try:
            error = from_bytes(failure.error)
        except Exception:  # noqa: BLE001 (user code's exceptions may fail in any way)
            error = None
        if isinstance(error, BaseException):
            return error
    return TrainingError(f"Worker {failure.rank} raised what can't be sent:\n{failure.text}")


def _is_loss(error: RayError) -> bool:
    """Whether a worker or its machine is no more; others raise, or say what can't be read here."""
    is_unreadable = isinstance(getattr(error, "client_exc", None), Exception)
    return not isinstance(error, RayTaskError) and not is_unreadable


def _last_line(fault: BaseException | None) -> str:
    lines = str(fault or "").strip().splitlines()
    return f"({lines[-1].strip()})" if lines else ""
