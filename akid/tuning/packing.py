"""Packing: how many trials share a GPU, decided from what their nets were measured to take."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from akid.cluster.instance_numbers import AUTO
from akid.cluster.resources import ClusterCapacity
from akid.tuning.gpu_share import LEAST_BYTES, allocator_bytes
from akid.tuning.identity import digest
from akid.tuning.literal import literal
from akid.tuning.plan import Plan
from akid.tuning.trial import Trial

FILE_NAME: Final = "gpu_peaks.json"
MARGIN: Final = 0.2
"""What is added to a measured peak: cuDNN chooses other algorithms, fragments come with time."""

_MOST_ON_A_GPU: Final = 16
_SHARE_STEP: Final = 10_000  # Ray counts in ten-thousandths


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """What a few steps of a net took, alone on a GPU.

    Attributes:
        peak_bytes: The most memory that PyTorch took.
        memory_bytes: The GPU's memory.
    """

    peak_bytes: int
    memory_bytes: int


def trials_on_a_gpu(peak: Peak, most: int = _MOST_ON_A_GPU) -> int:
    """Return how many trials of a net fit on a GPU, each within its share of it; at least 1.

    >>> trials_on_a_gpu(Peak(peak_bytes=2 * 2**30, memory_bytes=80 * 2**30))
    16
    >>> trials_on_a_gpu(Peak(peak_bytes=10 * 2**30, memory_bytes=80 * 2**30))
    6
    """
    needed = max(peak.peak_bytes * (1 + MARGIN), LEAST_BYTES)
    fitting = (
        n
        for n in range(min(most, _MOST_ON_A_GPU), 1, -1)
        if needed <= allocator_bytes(share_of(n), peak.memory_bytes)
    )
    return next(fitting, 1)


def share_of(n: int) -> float:
    """Return the share of each of `n` trials on a GPU, as Ray counts shares.

    >>> share_of(1), share_of(3)
    (1.0, 0.3333)
    """
    return math.floor(_SHARE_STEP / n) / _SHARE_STEP


@final
class Peaks:
    """The measured peaks of an experiment's nets, kept in a file of its folder.

    Args:
        folder: The experiment's folder below the work dir.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._peaks: dict[str, Peak] = {}
        if self._file.is_file():
            known = json.loads(self._file.read_text(encoding="utf-8"))
            self._peaks = {key: Peak(**peak) for key, peak in known.items()}

    def missing(self, plan: Plan) -> list[Trial]:
        """Return a trial for each net that runs and has not been measured."""
        trials = {_net(plan, trial): trial for trial in reversed(_packable(plan))}
        return [trial for net, trial in trials.items() if net not in self._peaks]

    def add(self, plan: Plan, trial: Trial, peak: Peak) -> None:
        """Keep what a trial's net was measured to take."""
        self._peaks[_net(plan, trial)] = peak
        self._file.parent.mkdir(parents=True, exist_ok=True)
        texts = {net: asdict(peak) for net, peak in self._peaks.items()}
        self._file.write_text(json.dumps(texts, indent=2), encoding="utf-8")

    def packed(self, plan: Plan, capacity: ClusterCapacity) -> Plan:
        """Return the plan with the largest packing: the smallest shares that hold.

        Trials whose net has not been measured keep a GPU for themselves.
        """
        most = _trials_by_cpus(plan, capacity)
        shares = {
            trial.index: share_of(trials_on_a_gpu(peak, most))
            for trial in _packable(plan)
            if (peak := self._peaks.get(_net(plan, trial))) is not None
        }
        trials = tuple(
            replace(planned, trial=_sharing(planned.trial, shares[planned.trial.index]))
            if planned.trial.index in shares
            else planned
            for planned in plan.trials
        )
        return replace(plan, trials=trials)


def _sharing(trial: Trial, share: float) -> Trial:
    return replace(trial, request=replace(trial.request, gpus=share))


def _packable(plan: Plan) -> Sequence[Trial]:
    """Return the trials that run on one GPU, and may share it."""
    if plan.experiment.gpu_num_per_instance != AUTO:
        return []
    return [trial for trial in plan.to_run if trial.gpus > 0 and not trial.workers]


def _net(plan: Plan, trial: Trial) -> str:
    """Return what tells apart what takes memory: all parameters but rates.

    A float of the optimiser's is a rate; one of the net's may be a width.
    """
    settings = [(k, v) for k, v in trial.columns.items() if not _is_rate(k, v)]
    return digest(plan.experiment.template.source, literal(settings))


def _is_rate(column: str, value: Any) -> bool:
    return column.startswith("opt.") and isinstance(value, float)


def _trials_by_cpus(plan: Plan, capacity: ClusterCapacity) -> int:
    """Return how many trials on each GPU the CPUs of its machine suffice for."""
    cpus = max((trial.cpus for trial in plan.to_run), default=1.0)
    on_a_gpu = [node.cpus / node.gpus / cpus for node in capacity.nodes if node.gpus >= 1]
    return max(1, math.floor(min(on_a_gpu, default=1.0)))
