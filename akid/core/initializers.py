"""Initialisers: the law that a parameter's first values are drawn from, by `{"name": ...}`.

Every draw comes from the generator that the caller passes: no law has a seed of its own, so two
parameters of one shape differ, and nothing else's randomness is touched. Values are drawn on the
generator's device and then moved: with a generator on the CPU, one seed gives the same bits on
every device.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from akid.errors import SetupError, ShapeError


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a law gets to know about the parameter that it fills.

    Args:
        shape: The parameter's shape.
        fan_in: How many inputs one output is summed from.
        fan_out: How many outputs one input goes into.
        generator: Where all randomness comes from.
    """

    shape: tuple[int, ...]
    fan_in: int
    fan_out: int
    generator: torch.Generator

    def uniform(self, bound: float) -> Tensor:
        """Draw uniformly from [-bound, bound)."""
        return self._empty().uniform_(-bound, bound, generator=self.generator)

    def normal(self, stddev: float) -> Tensor:
        """Draw from a normal law around 0."""
        return self._empty().normal_(0.0, stddev, generator=self.generator)

    def truncated_normal(self, stddev: float) -> Tensor:
        """Draw from a normal law around 0 that is cut off at 2 standard deviations."""
        if stddev == 0:
            return self._empty().zero_()
        # By the inverse of the law's integral: 18 times as fast as torch's rejection of samples.
        share = math.erf(math.sqrt(2)) * (1 - 1e-6)  # rounding must not cross the bounds
        uniform = self._empty().uniform_(-share, share, generator=self.generator)
        return uniform.erfinv_().mul_(math.sqrt(2) * stddev)

    def fan(self, mode: str) -> float:
        """Return the fan that `mode` names."""
        fans = {
            "fan_in": float(self.fan_in),
            "fan_out": float(self.fan_out),
            "fan_avg": (self.fan_in + self.fan_out) / 2,
        }
        if mode not in fans:
            raise SetupError(
                f"initialiser: expected mode to be one of {sorted(fans)}, got mode={mode!r}."
            )
        return fans[mode]

    def _empty(self) -> Tensor:
        return torch.empty(self.shape, device=self.generator.device)


def _default(draw: Draw, *, normal_dist: bool = False) -> Tensor:
    bound = 1 / math.sqrt(draw.fan_in)
    return draw.normal(bound) if normal_dist else draw.uniform(bound)


def _truncated_normal(draw: Draw, *, stddev: float = 0.1) -> Tensor:
    return draw.truncated_normal(stddev)


def _normal(draw: Draw, *, stddev: float = 0.1) -> Tensor:
    return draw.normal(stddev)


def _uniform(draw: Draw, *, range: float) -> Tensor:  # noqa: A002 - the documented name
    return draw.uniform(range)


def _uniform_unit_scaling(draw: Draw, *, factor: float = 1.0) -> Tensor:
    return draw.uniform(factor * math.sqrt(3 / draw.fan_in))


def _msra(draw: Draw, *, factor: float = 1.0, mode: str = "fan_out") -> Tensor:
    return draw.truncated_normal(factor * math.sqrt(2 / draw.fan(mode)))


def _xavier(draw: Draw, *, normal_dist: bool = False) -> Tensor:
    stddev = math.sqrt(2 / (draw.fan_in + draw.fan_out))
    return draw.normal(stddev) if normal_dist else draw.uniform(math.sqrt(3) * stddev)


def _orthogonal(draw: Draw, *, factor: float = 1.0) -> Tensor:
    empty = torch.empty(draw.shape, device=draw.generator.device)
    return torch.nn.init.orthogonal_(empty, factor, generator=draw.generator)


def _constant(draw: Draw, *, value: float) -> Tensor:
    return torch.full(draw.shape, float(value))


def _tensor(draw: Draw, *, value: Any) -> Tensor:
    tensor = torch.as_tensor(value, dtype=torch.get_default_dtype()).detach().clone()
    if tuple(tensor.shape) != draw.shape:
        raise ShapeError(
            f"initialiser 'tensor': expected a value of shape {draw.shape},"
            f" got {tuple(tensor.shape)}."
        )
    return tensor


INITIALIZERS: Final[Mapping[str, Callable[..., Tensor]]] = {
    "default": _default,
    "truncated_normal": _truncated_normal,
    "normal": _normal,
    "uniform": _uniform,
    "uniform_unit_scaling": _uniform_unit_scaling,
    "msra": _msra,
    "msra_init": _msra,
    "xavier": _xavier,
    "orthogonal": _orthogonal,
    "constant": _constant,
    "scalar": _constant,
    "tensor": _tensor,
}


def initialize(
    init_para: Mapping[str, Any],
    shape: Sequence[int],
    *,
    fan_in: int,
    fan_out: int,
    generator: torch.Generator,
    device: torch.device | str | None = None,
    who: str = "initialiser",
) -> Tensor:
    """Return a tensor of the default dtype, filled by the law that `init_para` names.

    | name | fields (default) | law |
    |---|---|---|
    | default | normal_dist (False) | uniform in ±1/√fan_in; or normal with that stddev |
    | truncated_normal | stddev (0.1) | normal, cut off at 2 stddev |
    | normal | stddev (0.1) | normal |
    | uniform | range | uniform in ±range |
    | uniform_unit_scaling | factor (1) | uniform in ±factor·√(3/fan_in) |
    | msra, msra_init | factor (1), mode ("fan_out") | normal, factor·√(2/fan), cut off at 2 of it |
    | xavier | normal_dist (False) | uniform in ±√(3/fan_avg); or normal, √(1/fan_avg) |
    | orthogonal | factor (1) | orthonormal rows or columns, times factor |
    | constant, scalar | value | that number everywhere |
    | tensor | value | these numbers |

    `mode` is "fan_in", "fan_out" or "fan_avg", the mean of both. What is cut off is 0.88 as wide as
    its stddev says; it is not widened again.

    Args:
        init_para: `{"name": ..., field: value, ...}`.
        shape: The tensor's shape.
        fan_in: How many inputs one output is summed from (kernel area included).
        fan_out: How many outputs one input goes into (kernel area included).
        generator: Where all randomness comes from.
        device: Where the tensor shall be; None means where the generator is.
        who: The block's label, for messages.

    Raises:
        SetupError: If the name is unknown, or a field is missing or unknown.

    >>> generator = torch.Generator().manual_seed(0)
    >>> initialize({"name": "constant", "value": 2}, (2,), fan_in=1, fan_out=1, generator=generator)
    tensor([2., 2.])
    """
    check(init_para, who=who)
    if torch.device(device or "cpu").type == "meta":  # only shapes are asked for
        return torch.empty(tuple(shape), device="meta")
    fields = {key: value for key, value in init_para.items() if key != "name"}
    draw = Draw(shape=tuple(shape), fan_in=fan_in, fan_out=fan_out, generator=generator)
    return INITIALIZERS[init_para["name"]](draw, **fields).to(device or generator.device)


def check(init_para: Mapping[str, Any], *, who: str) -> None:
    """Check that `init_para` names a known law and gives its fields.

    Raises:
        SetupError: If the name is unknown, or a field is missing or unknown.
    """
    if not isinstance(init_para, Mapping) or init_para.get("name") not in INITIALIZERS:
        raise SetupError(
            f'{who}: expected init_para as {{"name": one of {sorted(INITIALIZERS)}, ...}},'
            f" got init_para={init_para!r}."
        )
    name = init_para["name"]
    fields = dict(list(inspect.signature(INITIALIZERS[name]).parameters.items())[1:])
    required = {key for key, field in fields.items() if field.default is field.empty}
    given = set(init_para) - {"name"}
    if required - given or given - set(fields):
        raise SetupError(
            f"{who}: expected initialiser {name!r} to have the fields {sorted(fields)}"
            f" (required: {sorted(required)}), got init_para={init_para!r}."
        )
