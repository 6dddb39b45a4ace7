"""Wiring: who feeds whom in a system, read from the blocks' `inputs` (the edges of the graph)."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from akid.errors import SetupError

SYSTEM_IN: Final = "system_in"
"""The name by which blocks read the inputs of the system that they are in."""

_KEYS: Final = ("name", "idxs", "feedback", "shape", "initial")


@dataclass(frozen=True, kw_only=True, eq=False)
class Wire:
    """One entry of a block's `inputs`.

    Attributes:
        name: The block that is read, or `"system_in"`.
        idxs: Which of its outputs, from 0.
        feedback: Whether what the block gave one step ago is read; then any block can be named.
        shape: With feedback, the shape of what is read, without the batch; None to infer it.
        initial: With feedback, what is read in the first step.
    """

    name: str
    idxs: tuple[int, ...]
    feedback: bool = False
    shape: tuple[int, ...] | None = None
    initial: float | Tensor = 0.0


def known(name: object, names: Iterable[str]) -> str:
    """Say which names there are, and which of them may have been meant.

    >>> known("con1", ["conv1", "ip1"])
    "known: 'conv1', 'ip1'. Did you mean 'conv1'?"
    """
    names = list(names)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"known: {', '.join(map(repr, names)) or 'none'}.{hint}"


def read(names: Sequence[str], inputs: Sequence[Any], *, who: str) -> list[list[Wire] | None]:
    """Check every block's `inputs` and return them as wires; None where a block has none.

    Args:
        names: The blocks' names in the order in which they run.
        inputs: Their `inputs`, as they were given.
        who: The system, for messages.

    Raises:
        SetupError: If an entry has another form, names nothing that is known, or names the block
            itself or one that runs later; all such faults at once.
    """
    faults: list[str] = []
    wires = [
        None
        if entries is None
        else _read_entries(f"block {names[position]!r}: inputs", position, names, entries, faults)
        for position, entries in enumerate(inputs)
    ]
    if faults:
        raise SetupError(f"{who}: " + "\n".join(faults))
    return wires


def read_outputs(names: Sequence[str], outputs: Any, *, who: str) -> list[Wire]:
    """Check a system's `outputs` and return them as wires.

    Raises:
        SetupError: If an entry has another form, or names no block.
    """
    faults: list[str] = []
    wires = _read_entries("outputs", len(names), names, outputs, faults)
    if any(wire.feedback or wire.name == SYSTEM_IN for wire in wires):
        faults.append(f"outputs: expected what blocks give in this step, got {outputs!r}.")
    if faults:
        raise SetupError(f"{who}: " + "\n".join(faults))
    return wires


def _read_entries(
    who: str, position: int, names: Sequence[str], entries: Any, faults: list[str]
) -> list[Wire]:
    if not isinstance(entries, list | tuple) or not entries:
        faults.append(
            f'{who}: expected a list such as [{{"name": "conv1", "idxs": [0]}}], got {entries!r}.'
        )
        return []
    wires = []
    for entry in entries:
        fault = _fault_of_form(entry) or _fault_of_name(entry, position, names)
        if fault:
            faults.append(f"{who}: {fault}")
        else:
            wires.append(_wire(entry))
    return wires


def _wire(entry: Mapping[str, Any]) -> Wire:
    shape = entry.get("shape")
    return Wire(
        name=entry["name"],
        idxs=tuple(entry.get("idxs", (0,))),
        feedback=entry.get("feedback", False),
        shape=None if shape is None else tuple(shape),
        initial=entry.get("initial", 0.0),
    )


def _fault_of_form(entry: Any) -> str | None:
    if not isinstance(entry, dict) or "name" not in entry:
        return f'expected each as {{"name": ..., "idxs": [0]}}, got {entry!r}.'
    for key in entry:
        if key not in _KEYS:
            return f"expected other keys, got {key!r} in {entry!r}; {known(key, _KEYS)}"
    idxs = entry.get("idxs", [0])
    is_list = isinstance(idxs, list | tuple) and bool(idxs)
    if not is_list or not all(type(idx) is int and idx >= 0 for idx in idxs):
        return f"expected idxs as a list of integers from 0, got idxs={idxs!r} in {entry!r}."
    if not entry.get("feedback", False) and {"shape", "initial"} & entry.keys():
        return f'expected shape and initial only with "feedback": True, got {entry!r}.'
    return None


def _fault_of_name(entry: Mapping[str, Any], position: int, names: Sequence[str]) -> str | None:
    name, is_feedback = entry["name"], entry.get("feedback", False)
    if is_feedback and name == SYSTEM_IN:
        return f"expected feedback from a block, got {name!r}."
    if name == SYSTEM_IN or name in names[:position] or (is_feedback and name in names):
        return None
    if name not in names:
        return f"expected the name of a block, got {name!r}; {known(name, [SYSTEM_IN, *names])}"
    which = "itself" if name == names[position] else f"{name!r}, which runs later"
    return (
        f"expected inputs from blocks that run earlier, got {which}."
        " Attach the blocks in the order in which signals flow; a loop needs"
        ' {"name": ..., "feedback": True}, which reads what that block gave one step ago.'
    )
