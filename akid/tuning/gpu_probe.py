"""GPU probe: a few steps of a net, alone on a GPU, to see how much memory it takes."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import ray
from ray.exceptions import RayError

from akid.cluster import machine, temporary
from akid.cluster.modules import Modules
from akid.cluster.own_gpus import see_own_gpus
from akid.tuning.execute import load_setup, practise
from akid.tuning.packing import Peak, model_of
from akid.tuning.trial import Trial

logger = logging.getLogger(__name__)

_STEPS: Final = 5
_GIVE_UP_S: Final = 600.0
_LOOK_S: Final = 0.5


def measured(
    trials: Sequence[Trial], *, is_to_end: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Trial, Peak | str]]:
    """Measure trials on the connected cluster, each on a GPU of its own, as many at once as fit.

    Args:
        trials: What is measured.
        is_to_end: When it says yes, what is not measured by then is left so.

    Yields:
        Each trial, with its peak, or with why it could not be measured.
    """
    logger.warning("measures how much of a GPU's memory %d nets take", len(trials))
    asked = {_probe(trial): trial for trial in trials}
    waiting, late_s = list(asked), time.monotonic() + _GIVE_UP_S
    while waiting and not is_to_end() and time.monotonic() < late_s:
        done, waiting = ray.wait(waiting, timeout=_LOOK_S)
        for reference in done:
            yield asked[reference], _answer(reference)
            late_s = time.monotonic() + _GIVE_UP_S
    for reference in waiting:
        ray.cancel(reference, force=True)
        if not is_to_end():
            yield asked[reference], f"no GPU measured it within {_GIVE_UP_S:g} s"


def _probe(trial: Trial) -> ray.ObjectRef:
    demand = trial.request.demand
    # A process of its own, since a peak is a process's.
    remote = ray.remote(
        num_gpus=1,
        num_cpus=trial.cpus,
        resources=dict(demand.resources),
        label_selector=dict(demand.labels),
        max_calls=1,
        max_retries=0,
        name=f"probe {trial.label}",
    )(_own_peak_of)
    return remote.remote(trial.source, trial.modules, trial.seed, trial.threads)


def _own_peak_of(source: str, modules: Modules, seed: int, threads: int) -> Peak | str:
    """Return the peak on the GPU that Ray gave this process."""
    see_own_gpus()
    return peak_of(source, modules, seed, threads)


def _answer(reference: ray.ObjectRef) -> Peak | str:
    try:
        found: Peak | str = ray.get(reference)
    except RayError as error:
        return str(error).strip().splitlines()[-1]
    return found


def peak_of(source: str, modules: Modules, seed: int, threads: int) -> Peak | str:
    """Make a few steps in this process, and a validation; return the peak, or why there is none."""
    import torch

    if not torch.cuda.is_available():
        return "there is no GPU that can be measured"
    gpus = machine.local_gpus()
    if isinstance(gpus, str):
        return f"its GPU has no name: {gpus}"
    setup = load_setup(source, name="setup")
    with temporary.folder("probe") as folder, modules.at_hand():
        practise(lambda: _short(setup()), seed=seed, threads=threads, log_dir=folder)
    return Peak(
        peak_bytes=torch.cuda.max_memory_reserved(),
        memory_bytes=torch.cuda.get_device_properties(0).total_memory,
        gpu_model=model_of(gpus[0]),
    )


def _short(kid: object) -> object:
    """Let a kid end its practice after a few steps."""
    from akid.training.hooks import EarlyStopping
    from akid.training.kid import Kid

    def stop(practising: Kid) -> None:
        if practising.step >= _STEPS:
            raise EarlyStopping

    if isinstance(kid, Kid):
        kid.hooks.on_batch_begin.append(stop)
    return kid
