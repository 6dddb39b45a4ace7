"""Packing: how many trials share a GPU, decided from what their nets were measured to take."""

import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from akid.cluster.gpus import Gpu
from akid.cluster.instance_numbers import AUTO
from akid.cluster.inventory import NodeInventory
from akid.cluster.resources import ClusterCapacity
from akid.tuning.gpu_share import LEAST_BYTES, allocator_bytes
from akid.tuning.identity import digest
from akid.tuning.literal import literal
from akid.tuning.plan import Plan
from akid.tuning.trial import Trial

logger = logging.getLogger(__name__)

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
        memory_bytes: The GPU's memory, as PyTorch counts it.
        gpu_model: What GPU it was, as `model_of` calls it.
    """

    peak_bytes: int
    memory_bytes: int
    gpu_model: str


def model_of(gpu: Gpu) -> str:
    """Return what a GPU has in common with those that need no measurement of their own."""
    return f"{gpu.name}, {gpu.memory_bytes // 2**20} MiB"


def suitable_gpus(
    plan: Plan, capacity: ClusterCapacity, inventory: Sequence[NodeInventory]
) -> list[Gpu]:
    """Return the sound GPUs of the machines on which trials of a plan may share one."""
    requests = {trial.request for trial in packable(plan)}
    names = {node.name for node in capacity.nodes if any(node.holds(each) for each in requests)}
    found = [node.gpus for node in inventory if node.name in names]
    return [gpu for gpus in found if not isinstance(gpus, str) for gpu in gpus if not gpu.fault]


def trials_on_a_gpu(peak_bytes: float, memory_bytes: int, most: int = _MOST_ON_A_GPU) -> int:
    """Return how many trials of a net fit on a GPU, each within its share of it; at least 1.

    >>> trials_on_a_gpu(2 * 2**30, 80 * 2**30), trials_on_a_gpu(10 * 2**30, 80 * 2**30)
    (16, 6)
    """
    needed = max(peak_bytes * (1 + MARGIN), LEAST_BYTES)
    fitting = (
        n
        for n in range(min(most, _MOST_ON_A_GPU), 1, -1)
        if needed <= allocator_bytes(share_of(n), memory_bytes)
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
    """The measured peaks of an experiment's nets by GPU, kept in a file of its folder.

    A file that can't be read counts as none: it is measured again.

    Args:
        folder: The experiment's folder below the work dir.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._peaks = _read(self._file)

    def missing(self, plan: Plan, gpus: Iterable[Gpu]) -> list[Trial]:
        """Return a trial for each net that runs and was measured on none of these GPUs."""
        models = {model_of(gpu) for gpu in gpus}
        trials = {_net(plan, trial): trial for trial in reversed(packable(plan))}
        return [
            trial
            for net, trial in trials.items()
            if not any(_key(net, model) in self._peaks for model in models)
        ]

    def add(self, plan: Plan, trial: Trial, peak: Peak) -> None:
        """Keep what a trial's net was measured to take."""
        self._peaks[_key(_net(plan, trial), peak.gpu_model)] = peak
        self._file.parent.mkdir(parents=True, exist_ok=True)
        texts = {key: asdict(peak) for key, peak in self._peaks.items()}
        made = self._file.with_suffix(".new")
        made.write_text(json.dumps(texts, indent=2), encoding="utf-8")
        made.replace(self._file)

    def packed(self, plan: Plan, capacity: ClusterCapacity, gpus: Sequence[Gpu]) -> Plan:
        """Return the plan with the largest packing: the smallest shares that hold on all GPUs.

        Trials whose net has not been measured keep a GPU for themselves.

        Args:
            plan: The plan.
            capacity: The cluster.
            gpus: The GPUs on which a trial may come to lie.
        """
        most = _trials_by_cpus(plan, capacity)
        shares = {
            trial.index: share_of(n)
            for trial in packable(plan)
            if (n := self._trials_on_any(gpus, _net(plan, trial), most))
        }
        trials = tuple(
            replace(planned, trial=_sharing(planned.trial, shares[planned.trial.index]))
            if planned.trial.index in shares
            else planned
            for planned in plan.trials
        )
        return replace(plan, trials=trials)

    def _trials_on_any(self, gpus: Sequence[Gpu], net: str, most: int) -> int:
        """Return how many trials of a net fit on whichever of the GPUs; 0 where none measured it.

        A GPU that has not measured it is taken to need as much as the others at most.
        """
        known = {
            model: self._peaks[key]
            for model in map(model_of, gpus)
            if (key := _key(net, model)) in self._peaks
        }
        if not known:
            return 0
        peak_bytes = max(peak.peak_bytes for peak in known.values())
        memories = [
            known[model].memory_bytes if (model := model_of(gpu)) in known else gpu.memory_bytes
            for gpu in gpus
        ]
        return trials_on_a_gpu(peak_bytes, min(memories), most)


def packable(plan: Plan) -> Sequence[Trial]:
    """Return the trials that run on one GPU, and may share it."""
    if plan.experiment.gpu_num_per_instance != AUTO:
        return []
    return [trial for trial in plan.to_run if trial.gpus > 0 and not trial.workers]


def _read(file: Path) -> dict[str, Peak]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {key: Peak(**peak) for key, peak in known.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("%s can't be read, so nets are measured again: %s", file, error)
        return {}


def _key(net: str, gpu_model: str) -> str:
    return f"{net} on {gpu_model}"


def _sharing(trial: Trial, share: float) -> Trial:
    return replace(trial, request=replace(trial.request, gpus=share))


def _net(plan: Plan, trial: Trial) -> str:
    """Return what tells apart what takes memory: all parameters but rates.

    A float of the optimiser's is a rate; one of the net's may be a width.
    """
    settings = [(k, v) for k, v in trial.columns.items() if not _is_rate(k, v)]
    return digest(plan.experiment.template.source, literal(settings), *trial.modules.files.values())


def _is_rate(column: str, value: Any) -> bool:
    return column.startswith("opt.") and isinstance(value, float)


def _trials_by_cpus(plan: Plan, capacity: ClusterCapacity) -> int:
    """Return how many trials on each GPU the CPUs of its machine suffice for."""
    cpus = max((trial.cpus for trial in plan.to_run), default=1.0)
    on_a_gpu = [node.cpus / node.gpus / cpus for node in capacity.nodes if node.gpus >= 1]
    return max(1, math.floor(min(on_a_gpu, default=1.0)))
