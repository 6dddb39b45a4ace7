"""Early stopping: how an experiment says that trials which fall behind are stopped.

The setting is `scheduler = {"name": "asha", "max_t": 27, "grace_period": 1, "reduction_factor": 3}`
with the names of Ray Tune's `ASHAScheduler`.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from akid.errors import ExperimentError

NAME: Final = "asha"
_TIMES: Final = ("epoch", "step")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asha:
    """Asynchronous successive halving (Li et al. 2018, "A System for Massively Parallel ...").

    A trial that reaches a rung (`grace_period`, times `reduction_factor` once, twice, ... up to
    `max_t`) goes on only if it is among the best of those that have reached it so far.

    Attributes:
        time_attr: What time is counted in: "epoch" or "step".
        max_t: No rung lies beyond; how long a trial practises is said by its kid.
        grace_period: The first rung.
        reduction_factor: One of so many goes on from each rung.
    """

    time_attr: str = "epoch"
    max_t: float = 100
    grace_period: float = 1
    reduction_factor: float = 4


def read_scheduler(value: object) -> Asha | None:
    """Return what the setting `scheduler` says; None where nothing is stopped early.

    Raises:
        ExperimentError: If it can't be understood; all faults at once.

    >>> read_scheduler({"name": "asha", "max_t": 9})
    Asha(time_attr='epoch', max_t=9, grace_period=1, reduction_factor=4)
    """
    if value is None or value == {"name": "none"}:
        return None
    known = tuple(field.name for field in fields(Asha))
    if not isinstance(value, Mapping) or value.get("name") != NAME:
        raise ExperimentError(
            f"scheduler: expected None or {{'name': '{NAME}', ...}} with {', '.join(known)},"
            f" got scheduler={value!r}."
        )
    given = {key: item for key, item in value.items() if key != "name"}
    faults = [_unknown(key, known) for key in given if key not in known]
    asha = Asha(**{key: item for key, item in given.items() if key in known})
    faults += _faults(asha)
    if faults:
        raise ExperimentError("\n".join(faults))
    return asha


def parse_named(text: str) -> dict[str, Any]:
    """Return the setting that `--scheduler` or `--search` writes down: `asha,max_t=9`, or `none`.

    >>> parse_named("asha,max_t=9,time_attr=step"), parse_named("none")
    ({'name': 'asha', 'max_t': 9, 'time_attr': 'step'}, {'name': 'none'})
    """
    name, *parts = text.split(",")
    setting: dict[str, Any] = {"name": name}
    for part in parts:
        key, _, value = part.partition("=")
        try:
            setting[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            setting[key] = value
    return setting


def _unknown(key: object, known: tuple[str, ...]) -> str:
    close = get_close_matches(str(key), known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"scheduler: expected one of {', '.join(known)}, got {key!r}.{hint}"


def _faults(asha: Asha) -> list[str]:
    faults = []
    if asha.time_attr not in _TIMES:
        faults.append(
            f"scheduler: expected time_attr 'epoch' or 'step', got time_attr={asha.time_attr!r}."
        )
    numbers = (asha.max_t, asha.grace_period, asha.reduction_factor)
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        faults.append(
            "scheduler: expected numbers, got max_t={!r}, grace_period={!r},"
            " reduction_factor={!r}.".format(*numbers)
        )
    elif not 0 < asha.grace_period <= asha.max_t or not asha.reduction_factor > 1:
        faults.append(
            "scheduler: expected 0 < grace_period <= max_t and reduction_factor > 1, got"
            " max_t={!r}, grace_period={!r}, reduction_factor={!r}.".format(*numbers)
        )
    return faults
