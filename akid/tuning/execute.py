"""Execute: build and practise one rendered trial in this process, as a worker or as a script."""

import json
import linecache
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from akid.errors import ExperimentError, ResourceError

if TYPE_CHECKING:
    from akid.training.kid import Kid
    from akid.training.report import Report

MODULE_PREFIX: Final = "akid_trial_"
"""How the name of each trial's module begins."""

Row: TypeAlias = dict[str, float]
SetupFunction: TypeAlias = Callable[[], Any]


class ToldToStop(Exception):  # noqa: N818 (it is no fault)
    """A kid has ended its practice because it was told to; it has written a checkpoint."""


def load_setup(source: str, *, name: str) -> SetupFunction:
    """Execute the rendered `source` in a module of its own and return its `setup`.

    The source is registered under `<name>`, so tracebacks show its lines.

    Raises:
        ExperimentError: If the module has no `setup` after that.
    """
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(f"{MODULE_PREFIX}{name}")
    exec(compile(source, filename, "exec"), module.__dict__)  # noqa: S102 (the user's own program)
    setup = module.__dict__.get("setup")
    if not callable(setup):
        raise ExperimentError(
            f"{name}: expected a function named setup in the rendered source, got {setup!r}."
        )
    return setup  # type: ignore[no-any-return]


def practise(
    setup: SetupFunction,
    *,
    seed: int,
    threads: int,
    log_dir: Path | None = None,
    on_row: Callable[[Row], None] | None = None,
    resume: bool = False,
    workers: int | None = None,
    is_to_stop: Callable[[], bool] | None = None,
    on_note: Callable[[str], None] | None = None,
    gpu_fault: str = "",
) -> "Report":
    """Call `setup`, let the kid that it returns practise, and return the kid's report.

    Args:
        setup: A function without arguments that returns a `Kid`, set up or not.
        seed: What every random stream of the kid is derived from; also of what `setup` itself
            draws from the generators of Python, numpy and torch.
        threads: How many threads torch may compute with.
        log_dir: Where the kid's log and checkpoints go; None leaves it to the kid.
        on_row: Called with each row that the kid records, as it is recorded.
        resume: Whether to go on from the newest checkpoint below `log_dir`, if there is one.
        is_to_stop: Asked before each batch; when it says yes, the kid writes a checkpoint of the
            very step, if it writes any, and practice ends. A kid on workers is asked when a row
            was recorded, and its last checkpoint counts.
        on_note: Called with what is amiss and does not end the practice: the first checkpoint that
            a full disk does not take, and final weights that are not saved.
        workers: How many workers wait for the kid, 0 where it is to practise in this process; None
            if both is right.
        gpu_fault: Why this process can't compute on the GPUs that it was given; empty if it can,
            or was given none.

    Raises:
        ToldToStop: If `is_to_stop` said yes.
        ExperimentError: If `setup` returns something else than a Kid, or one whose engine is
            another than `workers` says.
        ResourceError: If there is a `gpu_fault`, and the kid's engine would compute on GPUs.
        DivergedError: If the loss becomes NaN or infinite.
    """
    import torch

    from akid.core.seeding import seed_scope

    torch.set_num_threads(threads)
    seed_globals(seed)
    with seed_scope(seed):
        kid = checked(setup(), workers)
        if gpu_fault and kid.engine.wants_gpus:
            raise ResourceError(gpu_fault)
        if log_dir is not None:
            kid.log_dir = log_dir
        if on_row is not None:
            _listen(kid, on_row)
        if is_to_stop is not None:
            _heed(kid, is_to_stop)
        if on_note is not None:
            _note_refusals(kid, on_note)
        kid.setup()
        return kid.practice(continue_from_chk_point=True) if resume else kid.practice()


def run_script(setup: SetupFunction, *, seed: int, threads: int) -> None:
    """Practise as `practise` does and print the metrics as a line of JSON: a trial's main part."""
    report = practise(setup, seed=seed, threads=threads)
    metrics = {"final": report.final, "best": report.best, "test": report.test}
    sys.stdout.write(json.dumps(metrics) + "\n")


def seed_globals(seed: int) -> None:
    """Seed the generators of Python, numpy and torch that user code may draw from."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (user code may draw from it)
    torch.manual_seed(seed)


def checked(kid: Any, workers: int | None = None) -> "Kid":
    """Return what `setup` gave, which has to be a kid.

    Raises:
        ExperimentError: If it is something else, or its engine another than `workers` says.
    """
    from akid.training.kid import Kid

    if not isinstance(kid, Kid):
        raise ExperimentError(
            f"setup: expected it to return a Kid, got {type(kid).__name__}: {repr(kid)[:80]}."
            " End the function with `return kid`."
        )
    if workers is not None and kid.engine.is_elsewhere != bool(workers):
        raise ExperimentError(
            f"setup: expected a kid that practises {_where(workers)}, as the rendered setup says,"
            f" got one with a {type(kid.engine).__name__}. Write the engine as a literal, such as"
            ' engine={"name": "data_parallel", "num_gpu": 2}, or leave it out.'
        )
    return kid


def _where(workers: int) -> str:
    return f"on {workers} workers" if workers else "in its own process"


def _listen(kid: "Kid", on_row: Callable[[Row], None]) -> None:
    from akid.training.hooks import Onlooker

    tell = Onlooker[Any](lambda speaking: on_row(dict(speaking.last_row)))
    kid.hooks.on_train_log_step.append(tell)
    kid.hooks.on_val_log_step.append(tell)


def _note_refusals(kid: "Kid", on_note: Callable[[str], None]) -> None:
    from akid.training.hooks import Onlooker

    def tell_first(kid: "Kid") -> None:
        if len(kid.unsaved_steps) == 1:
            on_note(f"training goes on without a checkpoint: {kid.unsaved_reason}")

    def tell_last(kid: "Kid") -> None:
        if kid.report is not None and not kid.report.is_saved:
            last = kid.checkpoint_path
            on_note(
                f"its final weights, of step {kid.report.steps}, are not saved: the disk is full;"
                f" its last checkpoint is {last if last is not None else 'none of this attempt'}"
            )

    kid.hooks.on_checkpoint_refused.append(Onlooker[Any](tell_first))
    kid.hooks.on_train_end.append(Onlooker[Any](tell_last))


def _heed(kid: "Kid", is_to_stop: Callable[[], bool]) -> None:
    """Let the kid end between two batches: a stop of its own would validate, and change numbers."""

    def end_if_told(kid: "Kid") -> None:
        if not is_to_stop():
            return
        if kid.save_chk_point and not kid.engine.is_elsewhere:
            kid.keep_checkpoint()
        raise ToldToStop(f"{kid.label} was told to stop at step {kid.step}")

    if not kid.engine.is_elsewhere:
        kid.hooks.on_batch_begin.append(end_if_told)
        return
    from akid.training.hooks import Onlooker

    kid.hooks.on_train_log_step.append(Onlooker[Any](end_if_told))
    kid.hooks.on_val_log_step.append(Onlooker[Any](end_if_told))
