"""Train runs: trials as Ray Train's state tracking lists them (Ray documentation, "Ray Train").

Ray Train's local mode, in which trials practise, tells nobody of its runs. Where state tracking is
on (RAY_TRAIN_ENABLE_STATE_TRACKING=1) the process of a trial therefore tells it itself. Of a
process that dies without a word the dashboard says ABORTED.
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self, final

import ray

from akid.tuning.trial import Trial

logger = logging.getLogger(__name__)

SWITCH: Final = "RAY_TRAIN_ENABLE_STATE_TRACKING"
"""Ray's own variable that turns state tracking on."""

FINISHED: Final = "FINISHED"
ERRORED: Final = "ERRORED"
ABORTED: Final = "ABORTED"

# Ray forgets no run, and the dashboard asks for the actors of each: a later trial takes the place
# of an earlier one.
_MOST_KEPT: Final = 500
_DETAIL_CHARS: Final = 2000
_PATIENCE_S: Final = 10.0
_ATTEMPT: Final = "1"
_NEVER_AS_EXPECTED: Final = (ImportError, AttributeError, TypeError, ValueError)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A Ray actor and where it lives, as the state API names it."""

    actor_id: str
    node_id: str
    node_ip: str
    pid: int
    gpu_ids: tuple[int, ...]

    @classmethod
    def here(cls) -> Self:
        """Return that of this actor."""
        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        return cls(
            actor_id=context.get_actor_id() or "",
            node_id=context.get_node_id(),
            node_ip=ray.util.get_node_ip_address(),
            pid=os.getpid(),
            gpu_ids=tuple(int(gpu) for gpu in gpus if gpu.isdigit()),
        )


def are_kept() -> bool:
    """Whether state tracking is on and takes runs; a warning says why where it is on but does not.

    What Ray keeps has no promise to stay as it is; a sweep goes on without.
    """
    if os.environ.get(SWITCH, "").lower() not in {"1", "true"}:
        return False
    from akid.cluster.resources import ResourceRequest

    try:
        _settings({}, ResourceRequest(), name="", folder="")
    except _NEVER_AS_EXPECTED as error:
        logger.warning(
            "train runs: expected Ray Train's state tracking as Ray 2.60 has it, got Ray %s and"
            " %s: %s. The trials are not listed as Train runs; unset %s to read this no more.",
            metadata.version("ray"),
            type(error).__name__,
            error,
            SWITCH,
        )
        return False
    return True


@final
class TrainRuns:
    """Tells Ray Train's state actor of the trials of this actor, one after another.

    Nobody waits for an answer, but a process that is about to end: while the state actor is just
    being started, what it is told waits here, and would be lost. A state actor that is lost
    disturbs no trial.

    Args:
        sweep: The sweep's name; runs of different sweeps are kept apart by it.
    """

    def __init__(self, sweep: str) -> None:
        from ray.train.v2._internal.state.state_actor import get_or_create_state_actor

        self._sweep = sweep
        self._actor: Any = get_or_create_state_actor()
        self._here = Process.here()
        self._job_id = ray.get_runtime_context().get_job_id()
        self._versions = {each: metadata.version(each) for each in ("ray", "torch")}
        self._run: Any = None
        self._attempt: Any = None
        self._told: list[Any] = []

    def begin(self, trial: Trial, attempt: int, log: Path) -> None:
        """List a trial that begins, with this process as its worker.

        Args:
            trial: The trial.
            attempt: Which attempt at it this is, from 1.
            log: Where its output goes.
        """
        from ray.train.v2._internal.state import schema

        now_ns = time.time_ns()
        run_id = f"{self._sweep}-{trial.index % _MOST_KEPT}"
        name = trial.label if attempt == 1 else f"{trial.label} (attempt {attempt})"
        paras = {**trial.columns, "repeat": trial.repeat, "seed": trial.seed}
        self._run = schema.TrainRun(
            id=run_id,
            name=name,
            job_id=self._job_id,
            controller_actor_id=self._here.actor_id,
            status=schema.RunStatus.RUNNING,
            start_time_ns=now_ns,
            controller_log_file_path=str(log),
            framework_versions=self._versions,
            run_settings=_settings(paras, trial.request, name=self._sweep, folder=str(log.parent)),
        )
        bundles = trial.request.bundles[1 if trial.workers else 0 :]
        self._attempt = schema.TrainRunAttempt(
            run_id=run_id,
            attempt_id=_ATTEMPT,
            status=schema.RunAttemptStatus.RUNNING,
            start_time_ns=now_ns,
            resources=[schema.TrainResources(resources=bundle) for bundle in bundles],
            workers=[],
        )
        if not trial.workers:
            self._attempt.workers = _workers([self._here], bundles, [log])
        self._tell()

    def staff(self, processes: Sequence[Process], logs: Sequence[Path]) -> None:
        """List the workers of a gang.

        Args:
            processes: Where they live, by rank.
            logs: Where their output goes, by rank.
        """
        bundles = [each.resources for each in self._attempt.resources]
        self._attempt.workers = _workers(processes, bundles, logs)
        self._tell()

    def end(self, status: str, detail: str = "") -> None:
        """List the trial's end.

        Args:
            status: FINISHED, ERRORED or ABORTED.
            detail: Why it did not finish.
        """
        from ray.train.v2._internal.state import schema

        now_ns = time.time_ns()
        for each, known in (
            (self._run, schema.RunStatus),
            (self._attempt, schema.RunAttemptStatus),
        ):
            each.status = known(status)
            each.status_detail = detail[-_DETAIL_CHARS:] or None
            each.end_time_ns = now_ns
        for worker in self._attempt.workers:
            worker.status = schema.ActorStatus.DEAD
        self._tell()

    def close(self) -> None:
        """Wait until all is told, for a while."""
        if self._told:
            ray.wait(self._told, num_returns=len(self._told), timeout=_PATIENCE_S)

    def _tell(self) -> None:
        self._told = [
            method.options(enable_task_events=False).remote(what)  # no task of the dashboard's list
            for method, what in (
                (self._actor.create_or_update_train_run, self._run),
                (self._actor.create_or_update_train_run_attempt, self._attempt),
            )
        ]


def _workers(processes: Sequence[Process], bundles: Sequence[Any], logs: Sequence[Path]) -> Any:
    from ray.train.v2._internal.state import schema

    nodes = list(dict.fromkeys(process.node_id for process in processes))
    seen: dict[str, int] = {}
    workers = []
    for rank, (process, bundle, log) in enumerate(zip(processes, bundles, logs, strict=True)):
        local_rank = seen.get(process.node_id, 0)
        seen[process.node_id] = local_rank + 1
        workers.append(
            schema.TrainWorker(
                **{**asdict(process), "gpu_ids": list(process.gpu_ids)},
                world_rank=rank,
                local_rank=local_rank,
                node_rank=nodes.index(process.node_id),
                status=schema.ActorStatus.ALIVE,
                resources=schema.TrainResources(resources=bundle),
                log_file_path=str(log),
            )
        )
    return workers


def _settings(paras: dict[str, Any], request: Any, *, name: str, folder: str) -> Any:
    """Return what a run was asked to do; what akid has no setting for is as Ray Train has it."""
    from ray.train.v2._internal.state import schema
    from ray.train.v2._internal.util import TrainingFramework

    options = schema.ExecutionOptions(
        resource_limits={},
        exclude_resources={},
        preserve_order=False,
        actor_locality_enabled=False,
        verbose_progress=False,
    )
    return schema.RunSettings(
        train_loop_config=paras,
        backend_config=schema.BackendConfig(framework=TrainingFramework.TORCH, config={}),
        scaling_config=schema.ScalingConfig(
            num_workers=max(1, request.workers),
            use_gpu=request.gpus > 0,
            resources_per_worker=request.bundles[-1],
            placement_strategy="PACK",
            use_tpu=False,
        ),
        datasets=[],
        data_config=schema.DataConfig(
            datasets_to_split=[],
            data_execution_options=schema.DataExecutionOptions(default=options),
            enable_shard_locality=False,
        ),
        run_config=schema.RunConfig(
            name=name,
            failure_config=schema.FailureConfig(max_failures=0, controller_failure_limit=0),
            worker_runtime_env={},
            checkpoint_config=schema.CheckpointConfig(checkpoint_score_order="max"),
            storage_path=folder,
        ),
    )
