"""A group of Ray Train workers, seen from the process that waits for it."""

import logging
import shutil
import threading
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, final

import ray
from ray import cloudpickle
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from akid.errors import SetupError, TrainingError
from akid.training.exchange import END, ROW_EVENTS, Answer, Event, Exchange, Failure
from akid.training.hooks import Hooks
from akid.training.kid import Kid
from akid.training.ray_worker import Task
from akid.training.single_engine import SingleEngine
from akid.training.team import WorkerLostError

_RAY_FOLDER: Final = ".ray_train"
_OWN_EVENTS: Final = ("on_train_end", "on_batch_monitoring")
"""Called when all is done; and not at all."""
_END_WITHIN_S: Final = 30.0


@final
class Performance:
    """One start of a worker group, seen from the calling process."""

    def __init__(
        self, kid: Kid, options: dict[str, Any], resources: dict[str, float], num_workers: int
    ) -> None:
        self.has_begun = False
        self._kid = kid
        self._options = options
        self._resources = resources
        self._num_workers = num_workers
        self._failures: list[Failure] = []
        self._fault: BaseException | None = None

    def run(self, *, resumes: bool) -> None:
        assert self._kid.log_dir is not None
        storage = Path(self._kid.log_dir).resolve() / _RAY_FOLDER
        exchange = ray.remote(Exchange).options(num_cpus=0).remote()
        task = Task(
            kid=_pickled(self._kid),
            options=self._options,
            heard=tuple(_heard(self._kid)),
            resumes=resumes,
            exchange=exchange,
        )
        group = threading.Thread(
            target=self._fit, args=(task, storage, exchange), name="worker group", daemon=True
        )
        group.start()
        try:
            self._listen(exchange)
        finally:
            ray.get(exchange.abort.remote())
            group.join(_END_WITHIN_S)
            ray.kill(exchange)
            shutil.rmtree(storage, ignore_errors=True)
        self._raise_failures()

    def _fit(self, task: "Task", storage: Path, exchange: Any) -> None:
        logging.getLogger("ray.train").setLevel(logging.ERROR)
        trainer = TorchTrainer(
            task.run,
            scaling_config=ScalingConfig(
                num_workers=self._num_workers,
                use_gpu="GPU" in self._resources,
                resources_per_worker=self._resources,
            ),
            run_config=RunConfig(
                name=self._kid.label,
                storage_path=str(storage),
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            ),
        )
        try:
            trainer.fit()
        except BaseException as error:  # noqa: BLE001 (raised by `_raise_failures` in its thread)
            self._fault = error
        finally:
            exchange.tell.remote(END)

    def _listen(self, exchange: Any) -> None:
        while (what := ray.get(exchange.next.remote())) != END:
            if isinstance(what, Failure):
                self._failures.append(what)
                continue
            stops = self._follow(what)
            if what.is_question:
                answer = Answer(stops=stops, lr_value=self._kid.kongfu.lr_value)
                exchange.answer.remote(answer)

    def _follow(self, event: Event) -> bool:
        kid = self._kid
        lr_value = kid.kongfu.lr_value
        kid.resemble(event.likeness)
        if lr_value is not None:
            kid.kongfu.lr_value = lr_value
        if event.name == "on_train_begin":
            self.has_begun = True
            kid.rows = [row for row in kid.rows if row["step"] <= kid.step]
        if event.name in ROW_EVENTS:
            kid.rows.append(kid.last_row)
        return event.is_question and kid.react(event.name)

    def _raise_failures(self) -> None:
        """Raise what a worker has raised by itself rather than what followed from it."""
        errors = [(failure, _unpickled(failure)) for failure in self._failures]
        errors.sort(key=lambda pair: isinstance(pair[1], WorkerLostError))
        if errors and not isinstance(errors[0][1], WorkerLostError):
            failure, error = errors[0]
            error.add_note(f"In worker {failure.rank} of {self._num_workers}:\n{failure.text}")
            raise error
        if self._fault is not None or errors:
            raise WorkerLostError(
                f"{self._kid.label}: expected all {self._num_workers} workers to practise to the"
                " end, got one that died: too little memory, a crash in native code, a call of"
                f" os._exit or the loss of a machine do that. {_last_line(self._fault)} Go on from"
                " the last checkpoint with continue_from_chk_point=True, or give the engine"
                " max_restarts."
            ) from self._fault


def _heard(kid: Kid) -> Iterable[str]:
    """Give the events that hooks wait for, and that workers have to ask about."""
    for field in fields(kid.hooks):
        if getattr(kid.hooks, field.name) and field.name not in _OWN_EVENTS:
            yield field.name


def _pickled(kid: Kid) -> bytes:
    """Return a copy of the kid for the workers, without its hooks and rows."""
    engine, hooks, rows = kid.engine, kid.hooks, kid.rows
    kid.engine, kid.hooks, kid.rows = SingleEngine(device="cpu"), Hooks(), []
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
    if failure.pickled is not None:
        try:
            error = cloudpickle.loads(failure.pickled)
        except Exception:  # noqa: BLE001 (user code's exceptions may fail in any way)
            error = None
        if isinstance(error, BaseException):
            return error
    return TrainingError(f"Worker {failure.rank} raised what can't be sent:\n{failure.text}")


def _last_line(fault: BaseException | None) -> str:
    lines = str(fault or "").strip().splitlines()
    return f"({lines[-1].strip()})" if lines else ""
