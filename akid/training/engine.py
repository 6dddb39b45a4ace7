"""Engines: where a step is computed (one device, or data-parallel workers)."""

import inspect
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor

from akid.core.block import Block, Signal
from akid.core.brain import Brain
from akid.core.clock import Clock
from akid.errors import SetupError
from akid.training import divergence
from akid.training.divergence import Guard
from akid.training.kongfu import KongFu
from akid.training.tally import Tally

EngineSpec: TypeAlias = "str | Mapping[str, Any] | Engine"

_ENGINES: Final[dict[str, tuple[str, str]]] = {
    "single": ("akid.training.engine", "SingleEngine"),
}
"""The module and the class of each engine by name; a module is loaded when it is asked for."""


@dataclass(frozen=True, kw_only=True)
class EngineParts:
    """What an engine works with.

    Attributes:
        brain: The brain to improve, set up.
        kongfu: How to improve it, set up.
        clock: What the engine winds after each step.
    """

    brain: Brain
    kongfu: KongFu
    clock: Clock


class Engine(Block):
    """The base of engines: results come out as if there were no parallelism.

    Attributes:
        device: Where the brain and the batches shall lie.
        num_workers: How many processes work on a batch; each engine sees its part of it.
    """

    device: torch.device
    num_workers: int = 1

    @abstractmethod
    def step(self, batch: list[Tensor], *, measure: bool = False) -> None:
        """Improve the brain by one batch, wind the clock; the loss is kept where it is.

        Args:
            batch: What the brain takes.
            measure: Whether `measurements` shall tell about this step.

        Raises:
            DivergedError: If the loss is not finite, or one of the last steps' was not.
        """

    @abstractmethod
    def measurements(self) -> dict[str, float]:
        """Return `loss` and the metrics of the last step that was measured, over all its batch."""

    @abstractmethod
    def evaluate(self, batches: Iterable[list[Tensor]]) -> dict[str, float]:
        """Return `loss` and the metrics of the brain, averaged over all samples of `batches`.

        Raises:
            DivergedError: If the loss is not finite.
        """

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Prepare for many steps, and put back what was changed at the end.

        Yields:
            None.
        """
        yield


@final
class SingleEngine(Engine):
    """Everything on one device ("single").

    Args:
        name: The block's name.
        device: The device; None means the GPU if there is one, otherwise the CPU.
    """

    def __init__(
        self, name: str | None = None, *, device: torch.device | str | None = None
    ) -> None:
        super().__init__(name)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self._batch: list[Tensor] = []
        self._tally = Tally()

    def _setup(self, inputs: EngineParts) -> None:
        # Not as attributes of their own: they would become submodules, here and in the kid.
        self._parts = inputs
        self._guard = Guard(inputs.brain, device=self.device)

    def forward(self, inputs: Signal) -> Any:
        """Propagate a batch through the brain."""
        return self._parts.brain(inputs)

    def step(self, batch: list[Tensor], *, measure: bool = False) -> None:
        parts = self._parts
        self._batch = batch
        if measure:
            self._tally = Tally()
        parts.kongfu.optimizer.zero_grad(set_to_none=True)
        if parts.kongfu.accumulate == 1:
            self._backpropagate(batch, measure=measure)
        else:
            self._backpropagate_in_pieces(batch, measure=measure)
        parts.brain.add_regularization_gradients()
        parts.kongfu.update(parts.clock.step)
        parts.brain.on_para_update()
        parts.clock.tick()

    def _backpropagate(self, batch: list[Tensor], *, measure: bool, fraction: float = 1.0) -> None:
        brain = self._parts.brain
        brain(batch)
        loss = brain.data_loss
        self._guard.note(loss, batch, step=self._parts.clock.step)
        if measure:
            self._tally.add(len(batch[0]), _measured(brain))
        if fraction != 1.0:
            loss = loss * fraction
        torch.autograd.backward(loss)

    def _backpropagate_in_pieces(self, batch: list[Tensor], *, measure: bool) -> None:
        num_samples = len(batch[0])
        size = -(-num_samples // self._parts.kongfu.accumulate)
        for piece in zip(*(torch.split(tensor, size) for tensor in batch), strict=True):
            fraction = len(piece[0]) / num_samples
            self._backpropagate(list(piece), measure=measure, fraction=fraction)

    def measurements(self) -> dict[str, float]:
        self._guard.check(self._batch)
        return self._tally.means()

    @torch.no_grad()
    def evaluate(self, batches: Iterable[list[Tensor]]) -> dict[str, float]:
        brain = self._parts.brain
        was_training, kept = brain.training, brain.keep_data
        brain.eval()
        brain.keep_data = False
        tally = Tally()
        batch: list[Tensor] = []
        try:
            for batch in batches:
                brain(batch)
                tally.add(len(batch[0]), {"loss": brain.data_loss, **brain.evals})
            means = tally.means()
            means["loss"] += float(brain.penalty())
            return self._checked(means, batch)
        finally:
            brain.keep_data = kept
            brain.train(was_training)

    def _checked(self, means: dict[str, float], batch: Sequence[Tensor]) -> dict[str, float]:
        loss = means["loss"]
        if not math.isfinite(loss):
            step = self._parts.clock.step
            raise divergence.explain(
                self._parts.brain, batch, step=step, loss=loss, of="validation"
            )
        return means

    @contextmanager
    def at_work(self) -> Iterator[None]:
        brain = self._parts.brain
        was_training, kept = brain.training, brain.keep_data
        brain.train()
        brain.keep_data = False
        try:
            with _reproducible(self.device):
                yield
        finally:
            brain.keep_data = kept
            brain.train(was_training)
            self._batch = []


def get(spec: EngineSpec, *, device: torch.device | str | None = None) -> Engine:
    """Make the engine that `spec` asks for.

    Args:
        spec: A name, `{"name": ..., option: ...}`, or an engine, which is returned as it is.
        device: Stands in place of the spec's, unless None.

    Raises:
        SetupError: If the name or an option is unknown; the known ones are listed.

    >>> get({"name": "single", "device": "cpu"}).device
    device(type='cpu')
    """
    if isinstance(spec, Engine):
        return spec
    options: dict[str, Any] = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", None)
    if name not in _ENGINES:
        raise SetupError(f"Engine: expected a name among {sorted(_ENGINES)}, got name={name!r}.")
    module, class_name = _ENGINES[name]
    engine_class = getattr(import_module(module), class_name)
    known = inspect.signature(engine_class).parameters.keys() - {"name"}
    if unknown := sorted(options.keys() - known):
        raise SetupError(f"Engine {name!r}: expected options {sorted(known)}, got {unknown}.")
    if device is not None:
        options["device"] = device
    engine: Engine = engine_class(**options)
    return engine


@torch.no_grad()
def _measured(brain: Brain) -> dict[str, Tensor]:
    """Return what to report of the batch that the brain has just seen."""
    if next(iter(brain.regularized_terms()), None) is None:
        return {"loss": brain.data_loss, **brain.evals}
    penalty = brain.penalty()
    return {"loss": brain.data_loss + penalty, "penalty": penalty, **brain.evals}


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Let cuDNN choose only algorithms that give the same bits each time."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=False,
        deterministic=True,
        allow_tf32=cudnn.allow_tf32,
    ):
        yield
