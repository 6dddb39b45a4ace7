"""KongFu: how a brain is improved (optimiser with its learning-rate scheme)."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, TypedDict, Unpack, final

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from akid.core.block import Block
from akid.errors import CheckpointError, SetupError, TrainingError
from akid.training import optimizers, parameter_groups, schedule
from akid.training.moving_average import MovingAverage
from akid.training.schedule import LearningRateScheme, Schedule


class KongFuOptions(TypedDict, total=False):
    """The arguments that every KongFu takes besides its own."""

    name: str | None
    lr_scheme: Mapping[str, Any] | str | None
    lr: float | None
    lr_factors: Mapping[str, float] | None
    clip_norm: float | None
    clip_value: float | None
    accumulate: int
    moving_average_decay: float | None
    bag: dict[str, Any] | None


class KongFu(Block):
    """The base of all: sets the rate of each step, clips gradients, lets a torch optimiser step.

    Args:
        name: The block's name.
        lr_scheme: The learning-rate scheme, see `schedule`; each KongFu has its default.
        lr: A constant rate, in place of `lr_scheme`.
        lr_factors: Factors of the rate by block or parameter name (`"conv1"`, `"conv1/biases"`,
            `"*/biases"`); the first that matches counts.
        clip_norm: The greatest norm that all gradients together may have.
        clip_value: The greatest absolute value that one entry of a gradient may have.
        accumulate: Into how many pieces an engine cuts a batch, one after the other, to need less
            memory; the gradients are those of the whole batch, and a step stays one update.
        moving_average_decay: Decay of a moving average of the weights, in [0.5, 1), less in the
            first steps: min(decay, (1 + step) / (10 + step)). Validation then uses the averages.
        bag: See `Block`.

    Attributes:
        optimizer: The torch optimiser, once set up.
        can_decay: Whether this kind of optimiser can add an l2 penalty's gradient by itself.
        decays_weights: Whether it does so, once set up; otherwise the engine adds the gradients of
            the brain's penalties. It does where it can, the brain has none but l2, and no gradient
            is clipped: that saves a pass over all weights in each step.

    Raises:
        SetupError: If both `lr_scheme` and `lr` are given, or a value is not legal.
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = {"name": LearningRateScheme.exp_decay}
    can_decay: ClassVar[bool] = False
    optimizer: Optimizer

    def __init__(
        self,
        name: str | None = None,
        *,
        lr_scheme: Mapping[str, Any] | str | None = None,
        lr: float | None = None,
        lr_factors: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        moving_average_decay: float | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, bag=bag)
        if lr is not None:
            if lr_scheme is not None:
                raise SetupError(
                    f"{self.label}: expected lr_scheme or lr, got both,"
                    f" lr_scheme={lr_scheme!r} and lr={lr!r}."
                )
            lr_scheme = {"name": LearningRateScheme.constant, "base_lr": lr}
        self.schedule: Schedule = schedule.make(lr_scheme or self.default_lr_scheme)
        self.lr_factors = dict(lr_factors or {})
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.accumulate = accumulate
        self.moving_average_decay = moving_average_decay
        self._check_values()
        self._lr_value: float | None = None
        self._lr = self.schedule.lr_at(0)
        self._average: MovingAverage | None = None
        self.decays_weights = False

    def _check_values(self) -> None:
        for argument in ("clip_norm", "clip_value"):
            value = getattr(self, argument)
            if value is not None and not value > 0:
                raise SetupError(
                    f"{self.label}: expected {argument} above 0 or None, got {argument}={value!r}."
                )
        if type(self.accumulate) is not int or self.accumulate < 1:
            raise SetupError(
                f"{self.label}: expected accumulate as an integer from 1,"
                f" got accumulate={self.accumulate!r}."
            )
        decay = self.moving_average_decay
        if decay is not None and not 0.5 <= decay < 1:
            raise SetupError(
                f"{self.label}: expected moving_average_decay in [0.5, 1) or None,"
                f" got moving_average_decay={decay!r}."
            )

    @property
    def lr(self) -> float:
        """The rate of the last update, or of the first while there was none.

        Raises:
            TrainingError: If the scheme is a placeholder and nobody has set a rate.
        """
        if self._lr is None:
            raise TrainingError(
                f"{self.label}: expected a rate, as the scheme is a placeholder, got none."
                " Set it in a hook: kid.kongfu.lr_value = 0.1."
            )
        return self._lr

    @property
    def lr_value(self) -> float | None:
        """The rate that a hook has set; it stands in place of the scheme's from then on."""
        return self._lr_value

    @lr_value.setter
    def lr_value(self, lr: float) -> None:
        if not lr >= 0:
            raise SetupError(f"{self.label}: expected a rate from 0, got lr={lr!r}.")
        self._lr_value = self._lr = float(lr)

    def set_lr(self, lr: float) -> None:
        """Set the rate, as `lr_value = lr` does."""
        self.lr_value = lr

    def _setup(self, inputs: Any) -> None:
        """Make the optimiser of a brain that is set up."""
        if not isinstance(inputs, nn.Module):
            raise SetupError(
                f"{self.label}: expected a brain to set up with, got {type(inputs).__name__}."
            )
        is_clipped = self.clip_norm is not None or self.clip_value is not None
        scales = parameter_groups.l2_scales(inputs) if self.can_decay and not is_clipped else None
        self.decays_weights = scales is not None
        groups = parameter_groups.split(
            inputs, self.lr_factors, who=self.label, weight_decays=scales
        )
        self.optimizer = self._make_optimizer(groups)
        if self.moving_average_decay is not None:
            named = {n: p for n, p in inputs.named_parameters() if p.requires_grad}
            self._average = MovingAverage(named, decay=self.moving_average_decay)

    @abstractmethod
    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        """Return the torch optimiser of these parameter groups; its rate does not matter."""
        raise NotImplementedError(f"{type(self).__name__} must implement _make_optimizer(groups).")

    @property
    def parameters_to_improve(self) -> list[Tensor]:
        """The parameters that the optimiser updates."""
        return [tensor for group in self.optimizer.param_groups for tensor in group["params"]]

    def forward(self, inputs: Tensor) -> list[Tensor | None]:
        """Back-propagate a loss and return the gradients; `update` applies them."""
        self.optimizer.zero_grad(set_to_none=True)
        inputs.backward()  # type: ignore[no-untyped-call]
        return [tensor.grad for tensor in self.parameters_to_improve]

    def update(self, step: int, *, scaler: GradScaler | None = None) -> None:
        """Apply the gradients.

        Args:
            step: How many updates were made before this one: the schedule hangs on it.
            scaler: Steps in the optimiser's place, for gradients that were scaled and are no more.

        Raises:
            TrainingError: If the scheme is a placeholder and nobody has set a rate.
        """
        self._set_rate(step)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters_to_improve, self.clip_norm)
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(self.parameters_to_improve, self.clip_value)
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)

    def average_weights(self, step: int) -> None:
        """Take the weights into their moving average, if one is kept; called after each update.

        Args:
            step: As for `update`. What the brain does to its weights in between is in the average.
        """
        if self._average is not None:
            self._average.update(step)

    def _set_rate(self, step: int) -> None:
        self._lr = self.schedule.lr_at(step) if self._lr_value is None else self._lr_value
        lr = self.lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_factor"]

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Let the brain have the averages of its weights inside the `with` block, if any are kept.

        Yields:
            None.
        """
        if self._average is None:
            yield
            return
        with self._average.in_place():
            yield

    def get_extra_state(self) -> dict[str, Any]:
        """Return the optimiser's state, the rate and the averages, for a checkpoint."""
        return {
            "optimizer": type(self.optimizer).__name__,
            "optimizer_state": self.optimizer.state_dict(),
            "lr": self._lr,
            "lr_value": self._lr_value,
            "schedule": self.schedule.state_dict(),
            "averages": self._average.state_dict() if self._average is not None else {},
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_extra_state` gave.

        Raises:
            CheckpointError: If it is another optimiser's.
        """
        mine = type(self.optimizer).__name__
        if state["optimizer"] != mine or bool(state["averages"]) != (self._average is not None):
            raise CheckpointError(
                f"{self.label}: expected the state of {mine} with"
                f" moving_average_decay={self.moving_average_decay!r}, got one of"
                f" {state['optimizer']} {'with' if state['averages'] else 'without'} averages."
            )
        self.optimizer.load_state_dict(state["optimizer_state"])
        self._lr, self._lr_value = state["lr"], state["lr_value"]
        self.schedule.load_state_dict(state["schedule"])
        if self._average is not None:
            self._average.load_state_dict(state["averages"])


@final
class GradientDescentKongFu(KongFu):
    """Plain gradient descent; arguments as for `KongFu`."""

    can_decay: ClassVar[bool] = True

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(torch.optim.SGD, groups, {})


@final
class MomentumKongFu(KongFu):
    """Gradient descent with momentum.

    Args:
        momentum: The part of the last update that goes into the next one.
        use_nesterov: Whether the gradient counts as if taken one step ahead.
        options: As for `KongFu`.

    >>> MomentumKongFu(name="Kongfu", lr=0.1).lr
    0.1
    """

    can_decay: ClassVar[bool] = True

    def __init__(
        self,
        momentum: float = 0.9,
        *,
        use_nesterov: bool = False,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.momentum = momentum
        self.use_nesterov = use_nesterov

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        arguments = {"momentum": self.momentum, "nesterov": self.use_nesterov}
        return optimizers.make(torch.optim.SGD, groups, arguments)
