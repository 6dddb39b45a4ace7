"""The catalogue of kongfus beyond plain gradient descent (adaptive and other torch optimisers)."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Unpack, final

import torch
from torch.optim import Optimizer

from akid.errors import SetupError
from akid.training import optimizers
from akid.training.kongfu import KongFu, KongFuOptions
from akid.training.schedule import LearningRateScheme

_NEEDS_CLOSURE: Final = {"LBFGS"}


@final
class TorchKongFu(KongFu):
    """Any optimiser of `torch.optim`, by its name.

    Args:
        optimizer: The class's name, such as `"NAdam"`.
        arguments: What the class takes besides the parameters and the rate.
        options: As for `KongFu`; the rate is 0.001 for ever unless given.

    Raises:
        SetupError: If torch has no such optimiser, or it takes no such arguments.

    >>> TorchKongFu("NAdam", arguments={"momentum_decay": 0.01}, lr=0.002).lr
    0.002
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = {
        "name": LearningRateScheme.constant,
        "base_lr": 0.001,
    }

    def __init__(
        self,
        optimizer: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.optimizer_class = _optimizer_class(optimizer, who=self.label)
        self.arguments = dict(arguments or {})
        known = inspect.signature(self.optimizer_class).parameters.keys() - {"params", "lr"}
        if unknown := sorted(self.arguments.keys() - known):
            raise SetupError(
                f"{self.label}: expected arguments of {optimizer} among {sorted(known)},"
                f" got {unknown}."
            )

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(self.optimizer_class, groups, self.arguments)


@final
class AdamKongFu(KongFu):
    """Adam: steps scaled by the averages of gradients and of their squares.

    Args:
        beta1: Decay of the gradients' average.
        beta2: Decay of the squares' average.
        epsilon: What keeps the scale finite; added to the root of the corrected average.
        options: As for `KongFu`; the rate is 0.001 for ever unless given.
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = TorchKongFu.default_lr_scheme
    can_decay: ClassVar[bool] = True

    def __init__(
        self,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.arguments = {"betas": (beta1, beta2), "eps": epsilon}

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(torch.optim.Adam, groups, self.arguments)


@final
class AdamWKongFu(KongFu):
    """Adam with decoupled weight decay, which acts on all parameters, besides the blocks' `wd`.

    Args:
        beta1: Decay of the gradients' average.
        beta2: Decay of the squares' average.
        epsilon: As in Adam.
        weight_decay: By which part of rate times itself a parameter shrinks in each step.
        options: As for `KongFu`; the rate is 0.001 for ever unless given.
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = TorchKongFu.default_lr_scheme

    def __init__(
        self,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.arguments = {"betas": (beta1, beta2), "eps": epsilon, "weight_decay": weight_decay}

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(torch.optim.AdamW, groups, self.arguments)


@final
class RMSPropKongFu(KongFu):
    """RMSProp: steps scaled by the average of the gradients' squares.

    Args:
        decay: Decay of that average.
        momentum: The part of the last update that goes into the next one.
        epsilon: What keeps the scale finite; added to the root.
        options: As for `KongFu`; the rate is 0.001 for ever unless given.
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = TorchKongFu.default_lr_scheme
    can_decay: ClassVar[bool] = True

    def __init__(
        self,
        *,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.arguments = {"alpha": decay, "momentum": momentum, "eps": epsilon}

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(torch.optim.RMSprop, groups, self.arguments)


@final
class AdagradKongFu(KongFu):
    """Adagrad: steps scaled by the sum of all squared gradients so far.

    Args:
        initial_accumulator_value: Where those sums start.
        epsilon: What keeps the scale finite; added to the root.
        options: As for `KongFu`; the rate is 0.01 for ever unless given.
    """

    default_lr_scheme: ClassVar[Mapping[str, Any]] = {
        "name": LearningRateScheme.constant,
        "base_lr": 0.01,
    }
    can_decay: ClassVar[bool] = True

    def __init__(
        self,
        *,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-10,
        **options: Unpack[KongFuOptions],
    ) -> None:
        super().__init__(**options)
        self.arguments = {"initial_accumulator_value": initial_accumulator_value, "eps": epsilon}

    def _make_optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return optimizers.make(torch.optim.Adagrad, groups, self.arguments)


def _optimizer_class(name: str, *, who: str) -> type[Optimizer]:
    known = {
        key: value
        for key, value in vars(torch.optim).items()
        if isinstance(value, type)
        and issubclass(value, Optimizer)
        and value is not Optimizer
        and key not in _NEEDS_CLOSURE
    }
    if name not in known:
        raise SetupError(
            f"{who}: expected optimizer among {', '.join(sorted(known))}, got optimizer={name!r}."
        )
    return known[name]
