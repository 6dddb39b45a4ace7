"""Program: a trial's script (`trial.py`), practised again, or built with its trained weights."""

import json
import runpy
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akid.tuning.execute import checked, practise, seed_globals

if TYPE_CHECKING:
    from akid.core.brain import Brain


def practise_again(file: str, log_dir: str, result: str) -> None:
    """Practise a trial's script and write what it came to into a file, as JSON.

    The JSON has the metrics below "final", "best" and "test", or the last line of "error", which is
    then raised.

    Args:
        file: The script.
        log_dir: Where the kid's log and checkpoints go.
        result: The file to be written.
    """
    try:
        program = runpy.run_path(file)
        report = practise(
            program["setup"],
            seed=program["SEED"],
            threads=program["THREADS"],
            log_dir=Path(log_dir),
        )
    except BaseException as error:
        line = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        Path(result).write_text(json.dumps({"error": line}), encoding="utf-8")
        raise
    metrics = {"final": report.final, "best": report.best, "test": report.test}
    Path(result).write_text(json.dumps(metrics), encoding="utf-8")


def load_brain(
    file: str | Path, checkpoint: str | Path, *, inputs: Any = None, device: str = "cpu"
) -> "Brain":
    """Build the brain of a trial's script and give it the weights of a checkpoint.

    Args:
        file: The script.
        checkpoint: A checkpoint of its kid; nothing in it is executed.
        inputs: A batch as the sensor gives it, data and labels, to set the brain up by; None takes
            one from the kid's own data set.
        device: Where the brain shall compute.

    Returns:
        The brain as it was validated, in evaluation mode. The modules that travel with the script
        stay in this process, in the place of others of their names.

    Raises:
        CheckpointError: If the checkpoint can't be read, or is of another brain.
    """
    from akid.core.seeding import seed_scope
    from akid.training import checkpoint as checkpoints
    from akid.training import resuming

    program = runpy.run_path(str(file))
    seed_globals(program["SEED"])
    with seed_scope(program["SEED"]):
        kid = checked(program["setup"]())
        if inputs is None:
            kid.setup()
        else:
            kid.brain.setup(inputs)
    weights = resuming.weights_validated(checkpoints.read(checkpoint))
    checkpoints.load_into(kid.brain, weights, who=kid.brain.label)
    return kid.brain.to(device).eval()
