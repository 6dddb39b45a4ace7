"""Options: the keyword arguments that layers share, typed so that mypy sees a wrong one."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Required, TypedDict

from akid.core.regularizers import Regularizer
from akid.errors import SetupError


class BlockOptions(TypedDict, total=False):
    """What every layer takes: see `Block`."""

    name: str | None
    inputs: Sequence[dict[str, Any]] | None
    bag: dict[str, Any] | None


class SynapseOptions(BlockOptions, total=False):
    """What every layer with weights takes: see `SynapseLayer`."""

    out_channel_num: Required[int]
    initial_bias_value: float | None
    init_para: Mapping[str, Any]
    wd: Mapping[str, Any] | Regularizer | None
    wd_on_bias: bool
    max_norm: float | None


def positive(number: int, what: str, *, who: str) -> int:
    """Return a number of channels and the like, if it is a whole number of 1 or more.

    Raises:
        SetupError: If it is not.
    """
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise SetupError(f"{who}: expected {what} of 1 or more, got {what}={number!r}.")
    return int(number)
