"""Engines: where a step is computed (one device, or data-parallel workers)."""

import inspect
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.clock import Clock
from akid.errors import SetupError
from akid.training.kongfu import KongFu

EngineSpec: TypeAlias = "str | Mapping[str, Any] | Engine"

_ENGINES: Final[dict[str, tuple[str, str]]] = {
    "data_parallel": ("akid.training.ray_engine", "DataParallelEngine"),
    "single": ("akid.training.single_engine", "SingleEngine"),
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
        is_elsewhere: Whether practice happens in other processes: a kid then calls `practise_all`
            in place of its own loop.
        wants_gpus: Whether it computes on GPUs where there are any, and not on a CPU all the same.
        is_chief: Whether this process writes the files of the run; one of all workers does.
    """

    device: torch.device
    is_elsewhere: bool = False
    wants_gpus: bool = True
    is_chief: bool = True

    def practise_all(self, kid: Any, *, resumes: bool) -> None:
        """Have all of a practice done in other processes; for an engine that `is_elsewhere`.

        Args:
            kid: The kid, set up. It is like the one that practises there whenever a hook of it is
                called, and at the end.
            resumes: Whether to go on from the newest checkpoint.
        """
        raise NotImplementedError(f"{self.label}: practises in this process.")

    def total(self, value: float) -> float:
        """Return the sum of a number over all processes that practise together."""
        return value

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
        """Return `loss` and the metrics of the last step that was measured, over all its batch.

        `loss` is the brain's, penalties included; with penalties there is `data_loss` as well.
        """

    @abstractmethod
    def evaluate(self, batches: Iterable[list[Tensor]]) -> dict[str, float]:
        """Return `loss` and the metrics of the brain, averaged over all samples of `batches`.

        Names as in `measurements`.

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

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep of the engine; nothing unless overridden."""
        return {}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_extra_state` gave."""
        del state


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
