"""Resuming: going on from the newest checkpoint of a folder, with the best weights so far."""

from collections.abc import Mapping
from typing import Any, Final

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
    """Load the newest checkpoint into `kid`; without any, leave it as it is.

    Args:
        kid: What the checkpoints are of, set up.
        folder: Where they lie.
        brain: The kid's brain.
        best: The kid's best; its row is part of a checkpoint, its weights are those of another.
        journal: The kid's log.

    Raises:
        CheckpointError: If the newest checkpoint can't be read, or is of another kid.
    """
    path = folder.newest()
    if path is None:
        journal.info(f"no checkpoint in {folder.path}: starts afresh")
        return
    state = checkpoint.read(path)
    checkpoint.load_into(kid, state, who=kid.label)
    journal.info(f"goes on from {path}")
    if not best.row:
        return
    of_best = _state_of_step(best.row["step"], state, folder)
    if of_best is None:
        journal.warning(f"no checkpoint of step {best.row['step']}, the best: forgets it")
        best.forget()
        return
    best.keep_state(brain, _weights_validated(of_best))


def _state_of_step(
    step: float, state: dict[str, Any], folder: CheckpointFolder
) -> dict[str, Any] | None:
    """Return this state if it is of the step, otherwise the best checkpoint's, if that one is."""
    if _step_of(state) == step:
        return state
    try:
        state = checkpoint.read(folder.best_path)
    except CheckpointError:
        return None
    return state if _step_of(state) == step else None


def _step_of(state: Mapping[str, Any]) -> int:
    return int(state["_extra_state"]["clock"]["step"])


def _weights_validated(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the brain's tensors by name, with the averages in place of what was averaged."""
    names = (name for name in state if name.startswith(_BRAIN))
    weights = {name.removeprefix(_BRAIN): state[name] for name in names}
    return {**weights, **state["kongfu._extra_state"]["averages"]}
