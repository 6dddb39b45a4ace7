"""What each worker of a data-parallel group does: practise a copy of the kid, and tell of it."""

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, final

import ray
import torch
from ray import cloudpickle
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from akid.cluster.interface import interface_of
from akid.cluster.modules import Modules
from akid.cluster.own_gpus import see_own_gpus
from akid.core import seeding
from akid.core.block import Block
from akid.sensing.sensor import FeedSensor
from akid.training import allocator
from akid.training.engine import EngineParts
from akid.training.exchange import END, ROW_EVENTS, Answer, Event, Exchange, Failure
from akid.training.kid import Kid
from akid.training.ray_bytes import to_bytes
from akid.training.single_engine import SingleEngine
from akid.training.team import ProcessTeam

_GLOO_INTERFACE: Final = "GLOO_SOCKET_IFNAME"
_MEETING_LIMIT: Final = timedelta(seconds=60)


@final
@dataclass(frozen=True, kw_only=True)
class Task:
    """What the workers of a group do together.

    Attributes:
        name: The kid's name.
        kid: The kid, pickled.
        options: Of the engine, for `SingleEngine`.
        heard: The events that there are hooks for.
        asked: Those of them whose hooks the workers wait for.
        resumes: Whether to go on from the newest checkpoint.
        folder: The kid's `log_dir`.
        seed: The kid's seed.
        threads: How many threads each worker computes with.
        modules: The modules that travel with the kid's program; None for none.
    """

    name: str
    kid: bytes
    options: dict[str, Any]
    heard: tuple[str, ...]
    asked: tuple[str, ...]
    resumes: bool
    folder: str
    seed: int
    threads: int
    modules: Modules | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker stands in its group.

    Attributes:
        rank: Its number; 0 is the chief's.
        num_workers: How many there are.
        host: Where the chief has opened the meeting point.
        port: Its port.
    """

    rank: int
    num_workers: int
    host: str
    port: int


class GroupWorker:
    """One process of a worker group: an actor that practises copies of one kid after another.

    Each practice runs in a thread of its own, inside of Ray Train's local mode for several
    processes (Ray Train documentation, "Local mode", with torchrun's variables): Ray Train makes
    the process group and takes it down. So the processes can be kept for the next kid, which Ray
    Train's own worker groups can't.

    A process that Ray has given no GPU sees none: wherever it saw one, it would compute there, and
    Ray Train's local mode would take nccl, which goes by what a process sees, in place of gloo.
    """

    def __init__(self) -> None:
        see_own_gpus()
        allocator.keep_freed_memory()
        self._exchange = Exchange()
        self._meeting: TCPStore | None = None

    def open(self) -> tuple[str, int]:
        """Open the point where the workers meet, as the chief; return its host and port."""
        host = ray.util.get_node_ip_address()
        self._meeting = TCPStore(
            host, 0, is_master=True, wait_for_workers=False, timeout=_MEETING_LIMIT
        )
        return host, self._meeting.port

    def practise(self, task: Task, place: Place) -> Failure | None:
        """Practise a copy of the kid; return why it could not, or None."""
        failures: list[Failure] = []

        def run() -> None:
            try:
                self.perform(task, place)
            except BaseException as error:  # noqa: BLE001 (whatever user code raises is told)
                failures.append(_failure(error, place.rank))

        thread = threading.Thread(target=run, name=f"practice of {task.name}", daemon=True)
        thread.start()
        thread.join()
        if place.rank == 0:
            self._exchange.tell(END)
            self._meeting = None
        return failures[0] if failures else None

    def perform(self, task: Task, place: Place) -> None:
        """Practise, in the thread that is this practice's own."""
        torch.set_num_threads(task.threads)
        trainer = TorchTrainer(
            lambda: _Performance(task, place, self._exchange).run(),
            scaling_config=ScalingConfig(num_workers=0),
            run_config=RunConfig(name=task.name),
        )
        modules = nullcontext() if task.modules is None else task.modules.at_hand()
        with _standing_at(place), modules:
            trainer.fit()

    def clean(self) -> list[str]:
        """Undo what a practice left behind; return what could not be undone."""
        return []

    def next(self) -> Any:
        """Wait for what the chief says next."""
        return self._exchange.next()

    def answer(self, answer: Answer) -> None:
        """Answer the question that was heard last."""
        self._exchange.answer(answer)


@contextmanager
def _standing_at(place: Place) -> Iterator[None]:
    """Tell torch where this process stands, as torchrun does: alone with the GPU that it sees.

    Gloo is told to speak from the address by which Ray knows this machine: by itself it takes that
    of the host's name, which may be one that other machines do not reach.

    Yields:
        None.
    """
    told: dict[str, object] = {
        "RANK": place.rank,
        "WORLD_SIZE": place.num_workers,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_ADDR": place.host,
        "MASTER_PORT": place.port,
        "TORCHELASTIC_USE_AGENT_STORE": True,  # the chief has opened the meeting point already
    }
    interface = interface_of(ray.util.get_node_ip_address())
    if interface is not None and _GLOO_INTERFACE not in os.environ:
        told[_GLOO_INTERFACE] = interface
    os.environ.update({name: str(value) for name, value in told.items()})
    try:
        yield
    finally:
        for name in told:
            os.environ.pop(name, None)


@final
class _Performance:
    """One practice in one worker."""

    def __init__(self, task: Task, place: Place, exchange: Exchange) -> None:
        self._task = task
        self._exchange = exchange
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self._team = ProcessTeam(place.rank, place.num_workers, device=self._device)

    def run(self) -> None:
        task, team = self._task, self._team
        kid: Kid = cloudpickle.loads(task.kid)
        _move(kid, SingleEngine(device=self._device, **task.options), team)
        self._add_hooks(kid)
        kid.practice(continue_from_chk_point=task.resumes)
        if team.is_chief:
            self._tell(kid, "on_train_end", is_question=False, is_whole=True)

    def _add_hooks(self, kid: Kid) -> None:
        def reseed(kid: Kid) -> None:
            _reseed(kid, self._team.rank)

        kid.hooks.on_train_begin.append(reseed)
        kid.hooks.on_checkpoint.append(reseed)
        kid.hooks.on_checkpoint_refused.append(reseed)
        events = {"on_train_begin", *ROW_EVENTS, *self._task.heard}
        if "on_batch_begin" not in self._task.asked:
            events.discard("on_batch_begin")  # in each step, telling would be much
        for event in events:
            getattr(kid.hooks, event).append(self._speaker(event))

    def _speaker(self, event: str) -> Callable[[Kid], None]:
        is_question = event in self._task.asked
        is_whole = is_question and event != "on_batch_begin"  # in each step, all would be much

        def speak(kid: Kid) -> None:
            answer = None
            if self._team.is_chief:
                answer = self._tell(kid, event, is_question=is_question, is_whole=is_whole)
            if is_question:
                _obey(kid, self._team.from_chief(answer))

        return speak

    def _tell(self, kid: Kid, event: str, *, is_question: bool, is_whole: bool) -> Answer | None:
        likeness = to_bytes(kid.likeness(is_whole=is_whole))
        said = Event(name=event, likeness=likeness, is_question=is_question)
        if is_question:
            return self._exchange.ask(said)
        self._exchange.tell(said)
        return None


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
        if isinstance(module, Block):
            seed = seeding.derive(kid.seed, "rank", rank, name, kid.step)
            module.reseed(seed, device=kid.engine.device)


def _obey(kid: Kid, answer: Any) -> None:
    if answer.lr_value is not None:
        kid.kongfu.lr_value = answer.lr_value
    if answer.stops:
        kid.stop("a hook asked for it")


def _failure(error: BaseException, rank: int) -> Failure:
    text = "".join(traceback.format_exception(error))
    try:
        raised = to_bytes(error.with_traceback(None))
    except BaseException:  # noqa: BLE001 (user code's exceptions may fail in any way)
        raised = None
    return Failure(rank=rank, text=text, error=raised)
