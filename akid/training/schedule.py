"""Schedules: the learning rate of each step (learning-rate schemes)."""

import dataclasses
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final

from akid.errors import SetupError


class LearningRateScheme(StrEnum):
    """The names of the schemes; the plain strings do as well.

    >>> LearningRateScheme.exp_decay
    'exp_decay'
    """

    constant = "constant"
    exp_decay = "exp_decay"
    step = "step"
    cosine = "cosine"
    one_cycle = "one_cycle"
    warm_up = "warm_up"
    plateau = "plateau"
    placeholder = "placeholder"

    def __repr__(self) -> str:
        # A template is filled by repr: what it writes must be Python again.
        return repr(self.value)


class Schedule(ABC):
    """The rate of each step as a function of the step alone, except for `plateau`."""

    @abstractmethod
    def lr_at(self, step: int) -> float | None:
        """Return the rate of the update that follows `step` updates; None: someone else sets it."""

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Take note of what a validation gave; only `plateau` does."""
        del metrics

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep; most schedules have nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        del state

    def _require(self, holds: bool, expected: str) -> None:
        """Raise a SetupError that shows the scheme as it was given, unless `holds`."""
        if not holds:
            raise SetupError(f"lr_scheme: expected {expected}, got {self!r}.")


@final
@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same rate for ever."""

    base_lr: float

    def __post_init__(self) -> None:
        self._require(self.base_lr >= 0, "base_lr from 0")

    def lr_at(self, step: int) -> float:
        del step
        return self.base_lr


@final
@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Schedule):
    """A staircase: the rate falls by a factor every `decay_epoch_num` epochs.

    Attributes:
        base_lr: The rate of the first step.
        decay_rate: The factor of each fall.
        num_batches_per_epoch: Steps of an epoch.
        decay_epoch_num: Epochs between two falls.
        decay_steps: Steps between two falls, in place of the two above.
        staircase: Whether the rate falls in steps; otherwise it falls a little each step.

    >>> ExponentialDecay(base_lr=1.0, decay_rate=0.5, decay_steps=10).lr_at(25)
    0.25
    """

    base_lr: float = 0.01
    decay_rate: float = 0.95
    num_batches_per_epoch: int = 468
    decay_epoch_num: float = 1
    decay_steps: float | None = None
    staircase: bool = True

    def __post_init__(self) -> None:
        self._require(self.base_lr >= 0, "base_lr from 0")
        self._require(self.decay_rate > 0, "decay_rate above 0")
        self._require(self._steps_between_falls > 0, "a number of steps between falls above 0")

    @property
    def _steps_between_falls(self) -> float:
        if self.decay_steps is not None:
            return self.decay_steps
        return self.num_batches_per_epoch * self.decay_epoch_num

    def lr_at(self, step: int) -> float:
        falls = step / self._steps_between_falls
        return float(self.base_lr * self.decay_rate ** (int(falls) if self.staircase else falls))


@final
@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """The rate is multiplied by `factor` at each boundary.

    Attributes:
        base_lr: The rate before the first boundary.
        boundaries: The steps from which on the next rate holds, ascending.
        factor: The factor of each boundary.
    """

    base_lr: float
    boundaries: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        self._require(self.base_lr >= 0 and self.factor > 0, "base_lr from 0, factor above 0")
        ascends = all(low < high for low, high in itertools.pairwise(self.boundaries))
        self._require(ascends, "ascending boundaries")

    def lr_at(self, step: int) -> float:
        return float(self.base_lr * self.factor ** sum(step >= at for at in self.boundaries))


@final
@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from `base_lr` down to `min_lr` within `num_steps`, then `min_lr`."""

    base_lr: float
    num_steps: int
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        self._require(0 <= self.min_lr <= self.base_lr, "min_lr from 0 to base_lr")
        self._require(self.num_steps > 0, "num_steps above 0")

    def lr_at(self, step: int) -> float:
        return _between(self.base_lr, self.min_lr, min(step / self.num_steps, 1.0))


@final
@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up to `max_lr` and down again, both along half a cosine, within `num_steps`.

    Attributes:
        max_lr: The highest rate.
        num_steps: Steps of the whole cycle; afterwards the lowest rate holds.
        warm_up_fraction: The part of the steps on which the rate rises.
        start_divisor: The first rate is `max_lr / start_divisor`.
        end_divisor: The last rate is the first one divided by this.
    """

    max_lr: float
    num_steps: int
    warm_up_fraction: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __post_init__(self) -> None:
        self._require(self.max_lr > 0 and self.num_steps > 1, "max_lr above 0, num_steps above 1")
        self._require(0 < self.warm_up_fraction < 1, "warm_up_fraction between 0 and 1")
        self._require(
            self.start_divisor > 0 and self.end_divisor > 0, "start_divisor and end_divisor above 0"
        )

    def lr_at(self, step: int) -> float:
        first_lr = self.max_lr / self.start_divisor
        top = self.warm_up_fraction * self.num_steps - 1
        if step < top:
            return _between(first_lr, self.max_lr, step / top)
        fall = self.num_steps - 1 - top
        return _between(self.max_lr, first_lr / self.end_divisor, min((step - top) / fall, 1.0))


@final
@dataclass(frozen=True, kw_only=True)
class WarmUp(Schedule):
    """A straight rise during `num_steps`, then another scheme, which counts its steps from there.

    Attributes:
        num_steps: Steps of the rise; the rate of the other scheme's start is reached after them.
        then: The other scheme, given as a dict like this one.
        start_lr: Where the rise starts; the first step is already one part above it.
    """

    num_steps: int
    then: Schedule
    start_lr: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.then, Mapping):
            object.__setattr__(self, "then", make(self.then))
        self._require(self.num_steps > 0 and self.start_lr >= 0, "num_steps > 0, start_lr >= 0")
        self._require(self.then.lr_at(0) is not None, "then= a scheme that sets the rate itself")

    def lr_at(self, step: int) -> float | None:
        if step >= self.num_steps:
            return self.then.lr_at(step - self.num_steps)
        target = self.then.lr_at(0)
        assert target is not None
        return self.start_lr + (target - self.start_lr) * (step + 1) / (self.num_steps + 1)

    def observe(self, metrics: Mapping[str, float]) -> None:
        self.then.observe(metrics)

    def state_dict(self) -> dict[str, Any]:
        return self.then.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.then.load_state_dict(state)


@final
@dataclass(kw_only=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` when a metric has not improved for a while.

    Attributes:
        base_lr: The first rate.
        factor: The factor of each fall.
        patience: Validations without improvement that are tolerated before a fall.
        metric: The metric to watch; less is better if its name holds "loss" or "error".
        min_delta: How much better counts as better.
        min_lr: The lowest rate.
    """

    base_lr: float
    factor: float = 0.1
    patience: int = 10
    metric: str = "val_loss"
    min_delta: float = 1e-4
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        self._require(0 < self.factor < 1, "factor between 0 and 1")
        self._require(self.base_lr >= self.min_lr >= 0, "base_lr from min_lr, min_lr from 0")
        self._lr = self.base_lr
        self._best = -math.inf
        self._waited = 0

    def lr_at(self, step: int) -> float:
        del step
        return self._lr

    def observe(self, metrics: Mapping[str, float]) -> None:
        if self.metric not in metrics:
            raise SetupError(
                f"lr_scheme: expected metric= one of {sorted(metrics)}, got metric={self.metric!r}."
            )
        value = metrics[self.metric] * (-1 if is_better_when_less(self.metric) else 1)
        if value > self._best + self.min_delta:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited > self.patience:
            self._lr, self._waited = max(self._lr * self.factor, self.min_lr), 0

    def state_dict(self) -> dict[str, Any]:
        return {"lr": self._lr, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._lr, self._best, self._waited = state["lr"], state["best"], state["waited"]


@final
@dataclass(frozen=True, kw_only=True)
class Placeholder(Schedule):
    """No rate of its own: a hook sets it (`kid.kongfu.lr_value = ...`)."""

    def lr_at(self, step: int) -> None:
        del step


_SCHEDULES: dict[str, type[Schedule]] = {
    LearningRateScheme.constant: Constant,
    LearningRateScheme.exp_decay: ExponentialDecay,
    LearningRateScheme.step: Step,
    LearningRateScheme.cosine: Cosine,
    LearningRateScheme.one_cycle: OneCycle,
    LearningRateScheme.warm_up: WarmUp,
    LearningRateScheme.plateau: Plateau,
    LearningRateScheme.placeholder: Placeholder,
}


def make(lr_scheme: Mapping[str, Any] | str) -> Schedule:
    """Make the schedule that a scheme describes.

    Args:
        lr_scheme: The name and the arguments of a scheme, or the name alone.

    Raises:
        SetupError: If the name or an argument is unknown, one is missing, or a value is not legal.

    >>> make({"name": LearningRateScheme.exp_decay, "base_lr": 0.1, "decay_rate": 0.5}).lr_at(468)
    0.05
    """
    arguments = {"name": lr_scheme} if isinstance(lr_scheme, str) else dict(lr_scheme)
    name = arguments.pop("name", None)
    if name not in _SCHEDULES:
        raise SetupError(
            f"lr_scheme: expected a name among {', '.join(_SCHEDULES)}, got name={name!r}."
        )
    known = {field.name: field for field in dataclasses.fields(_SCHEDULES[name])}  # type: ignore[arg-type]
    required = {key for key, field in known.items() if field.default is dataclasses.MISSING}
    if (wrong := arguments.keys() - known.keys()) or (wrong := required - arguments.keys()):
        raise SetupError(
            f"lr_scheme {name!s}: expected {', '.join(known)} (of these {sorted(required)} always),"
            f" got {', '.join(arguments) or 'none'}. Correct {sorted(wrong)}."
        )
    return _SCHEDULES[name](**arguments)


def is_better_when_less(metric: str) -> bool:
    """Whether a metric is to be minimised, by its name.

    >>> is_better_when_less("val_loss"), is_better_when_less("val_accuracy")
    (True, False)
    """
    return "loss" in metric or "error" in metric


def _between(start: float, end: float, fraction: float) -> float:
    """Return the value `fraction` of the way along half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
