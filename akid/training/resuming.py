"""Resuming: going on from the newest checkpoint of a folder, with the best weights so far."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from torch import Tensor, nn

from akid.core.block import Block
from akid.errors import CheckpointError
from akid.training import checkpoint
from akid.training.best import Best
from akid.training.checkpoint import CheckpointFolder
from akid.training.journal import Journal

_BRAIN: Final = "brain."


def resume(
    kid: Block, folder: CheckpointFolder, *, brain: nn.Module, best: Best, journal: Journal
) -> None:
    """Load the newest checkpoint that is whole into `kid`; without any, leave it as it is.

    A damaged one is passed over, and so is one of whose best weights nothing whole is left, as long
    as there is an earlier one: what is practised again gives the same numbers.

    Args:
        kid: What the checkpoints are of, set up.
        folder: Where they lie.
        brain: The kid's brain.
        best: The kid's best; its row is part of a checkpoint, its weights are those of another.
        journal: The kid's log.

    Raises:
        CheckpointError: If no checkpoint can be read, or the one that can is of another kid.
    """
    found = _whole(folder, journal)
    if not found:
        journal.info(f"no checkpoint in {folder.path}: starts afresh")
        return
    path, state, of_best = next((one for one in found if one.of_best is not None), found[0])
    checkpoint.load_into(kid, state, who=kid.label)
    journal.info(f"goes on from {path}")
    if not best.row:
        return
    if of_best is None:
        journal.warning(f"no checkpoint of step {best.row['step']}, the best: forgets it")
        best.forget()
        return
    best.keep_state(brain, weights_validated(of_best))


class _Found(NamedTuple):
    """A checkpoint that is whole, and the one with the best weights of that time."""

    path: Path
    state: dict[str, Any]
    of_best: dict[str, Any] | None


def _whole(folder: CheckpointFolder, journal: Journal) -> list[_Found]:
    """Return the checkpoints that can be read, newest first, down to one whose best is there too.

    Raises:
        CheckpointError: If there are some, and none of them can be read.
    """
    found: list[_Found] = []
    fault: CheckpointError | None = None
    for step in reversed(folder.steps()):
        path = folder.path_of(step)
        try:
            state = checkpoint.read(path)
        except CheckpointError as error:
            journal.warning(f"passes over a damaged checkpoint: {error}")
            fault = error
            continue
        found.append(_Found(path, state, _best_of(state, folder)))
        if found[-1].of_best is not None:
            return found
    if fault is not None and not found:
        raise fault
    return found


def _best_of(state: dict[str, Any], folder: CheckpointFolder) -> dict[str, Any] | None:
    """Return the state that has the best weights as of `state`; itself where there is no best."""
    step = state["_extra_state"]["best"]["row"].get("step", _step_of(state))
    if _step_of(state) == step:
        return state
    for path in (folder.best_path, folder.path_of(int(step))):
        try:
            best = checkpoint.read(path)
        except CheckpointError:
            continue
        if _step_of(best) == step:
            return best
    return None


def _step_of(state: Mapping[str, Any]) -> int:
    return int(state["_extra_state"]["clock"]["step"])


def weights_validated(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the brain's tensors of a kid's state by name: those that validation saw.

    Where weights were averaged, these are the averages.
    """
    names = (name for name in state if name.startswith(_BRAIN))
    weights = {name.removeprefix(_BRAIN): state[name] for name in names}
    return {**weights, **state["kongfu._extra_state"]["averages"]}
