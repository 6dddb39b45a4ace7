"""What each worker of a data-parallel group does: practise a copy of the kid, and tell of it."""

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import ray
import torch
from ray import cloudpickle
from ray.train import get_context
from ray.train.torch import get_device
from torch import Tensor

from akid.core import seeding
from akid.errors import AkidError
from akid.sensing.sensor import FeedSensor
from akid.training.engine import EngineParts
from akid.training.exchange import ROW_EVENTS, Event, Failure
from akid.training.kid import Kid
from akid.training.single_engine import SingleEngine
from akid.training.team import ProcessTeam


@final
@dataclass(frozen=True, kw_only=True)
class Task:
    """What each worker does.

    Attributes:
        kid: The kid, pickled.
        options: Of the engine, for `SingleEngine`.
        heard: The events that hooks wait for.
        resumes: Whether to go on from the newest checkpoint.
        exchange: Handle of the actor.
    """

    kid: bytes
    options: dict[str, Any]
    heard: tuple[str, ...]
    resumes: bool
    exchange: Any

    def run(self) -> None:
        context = get_context()
        rank, num_workers = context.get_world_rank(), context.get_world_size()
        device = get_device() if torch.cuda.is_available() else torch.device("cpu")
        team = ProcessTeam(rank, num_workers, device=device)
        try:
            kid: Kid = cloudpickle.loads(self.kid)
            _move(kid, SingleEngine(device=device, **self.options), team)
            self._add_hooks(kid, team)
            kid.practice(continue_from_chk_point=self.resumes)
            if team.is_chief:
                self._tell(kid, "on_train_end", is_question=False, is_whole=True)
        except _AbortedError:
            return
        except Exception as error:
            ray.get(self.exchange.tell.remote(_failure(error, rank)))
            raise

    def _add_hooks(self, kid: Kid, team: ProcessTeam) -> None:
        def reseed(kid: Kid) -> None:
            _reseed(kid, team.rank)

        kid.hooks.on_train_begin.append(reseed)
        kid.hooks.on_checkpoint.append(reseed)
        for event in {"on_train_begin", *ROW_EVENTS, *self.heard}:
            getattr(kid.hooks, event).append(self._speaker(event, team))
        if team.is_chief:
            kid.hooks.on_batch_begin.append(_watch(self.exchange))

    def _speaker(self, event: str, team: ProcessTeam) -> Callable[[Kid], None]:
        is_question = event in self.heard
        is_whole = is_question and event != "on_batch_begin"  # in each step, all would be much

        def speak(kid: Kid) -> None:
            answer = None
            if team.is_chief:
                answer = self._tell(kid, event, is_question=is_question, is_whole=is_whole)
            if is_question:
                _obey(kid, team.from_chief(answer))

        return speak

    def _tell(self, kid: Kid, event: str, *, is_question: bool, is_whole: bool) -> Any:
        likeness = kid.likeness(is_whole=is_whole)
        said = Event(name=event, likeness=_on_cpu(likeness), is_question=is_question)
        if is_question:
            return ray.get(self.exchange.ask.remote(said))
        return ray.get(self.exchange.tell.remote(said))


class _AbortedError(AkidError):
    """The calling process no longer waits."""


def _move(kid: Kid, engine: SingleEngine, team: ProcessTeam) -> None:
    """Put a kid that is set up on an engine, and let it read its part of the batches."""
    engine.team = team
    optimizer_state = kid.kongfu.get_extra_state()
    engine.set_extra_state(kid.engine.get_extra_state())
    kid.engine = engine
    kid.sensor.to(engine.device)
    assert isinstance(kid.sensor, FeedSensor)
    kid.sensor.share(team.rank, team.num_workers)
    kid.brain.to(engine.device)
    kid.kongfu.is_setup = False
    kid.kongfu.setup(kid.brain)
    kid.kongfu.set_extra_state(optimizer_state)
    engine.setup(EngineParts(brain=kid.brain, kongfu=kid.kongfu, clock=kid.clock))
    kid.log_to_file = kid.log_to_file and team.is_chief


def _reseed(kid: Kid, rank: int) -> None:
    """Let the blocks of every worker but the first draw from streams of their own.

    The streams hang on the step, and begin anew with each checkpoint: a practice that is resumed
    draws what the undisturbed one has drawn.
    """
    if rank == 0:
        return
    assert kid.seed is not None
    for name, module in kid.brain.named_modules():
        for stream in vars(module).values():
            if isinstance(stream, torch.Generator):
                stream.manual_seed(seeding.derive(kid.seed, "rank", rank, name, kid.step))


def _watch(exchange: Any) -> Callable[[Kid], None]:
    """Return a hook that ends practice once the calling process has given up."""
    is_aborted = threading.Event()

    def wait() -> None:
        ray.get(exchange.aborted.remote())
        is_aborted.set()

    threading.Thread(target=wait, name="watch", daemon=True).start()

    def check(kid: Kid) -> None:
        if is_aborted.is_set():
            raise _AbortedError(f"{kid.label}: the process that waited for it has gone on.")

    return check


def _obey(kid: Kid, answer: Any) -> None:
    if answer.lr_value is not None:
        kid.kongfu.lr_value = answer.lr_value
    if answer.stops:
        kid.stop("a hook asked for it")


def _on_cpu(value: Any) -> Any:
    """Bring all tensors in dicts and lists to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: _on_cpu(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_on_cpu(each) for each in value]
    return value


def _failure(error: Exception, rank: int) -> Failure:
    text = "".join(traceback.format_exception(error))
    try:
        pickled = cloudpickle.dumps(error.with_traceback(None))
    except Exception:  # noqa: BLE001 (user code's exceptions may fail in any way)
        pickled = None
    return Failure(rank=rank, text=text, pickled=pickled)
