"""Sweep: an experiment's plan, carried out on a cluster and kept in a tracking store."""

import _thread
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.cluster import connection, instance_numbers, inventory, machine, resources, storage
from akid.cluster.connection import Cluster
from akid.cluster.gpus import Gpu
from akid.cluster.inventory import NodeInventory
from akid.cluster.object_folder import is_uri
from akid.cluster.resources import ClusterCapacity
from akid.cluster.work_dir import WorkDir
from akid.errors import StorageError
from akid.tuning import mlflow_store, packing, provenance, settling
from akid.tuning import plan as planning
from akid.tuning.conductor import Conductor
from akid.tuning.early_stopping import read_scheduler
from akid.tuning.ending import Ending
from akid.tuning.experiment import Experiment
from akid.tuning.garbage import loading
from akid.tuning.lock import SweepLock
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.packing import Peaks
from akid.tuning.plan import KnownRun, Plan
from akid.tuning.progress import SweepState, open_progress
from akid.tuning.ranking import Ranking
from akid.tuning.records import records_of
from akid.tuning.results import TrialRecord, usable_metric
from akid.tuning.rows import Left, left_in
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking_writer import TrackingWriter

if TYPE_CHECKING:
    from akid.tuning.halving import Halving

logger = logging.getLogger(__name__)

_RUNS: Final = WorkDir(local=Path("akid_runs"))
_DESCRIPTION: Final = "mlflow.note.content"  # MLflow shows it on the run's page, as Markdown
_DESCRIPTION_CHARS: Final = 5000


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """How a sweep is carried out; none of it changes what a trial is.

    Attributes:
        tracking_uri: The MLflow store; None for MLFLOW_TRACKING_URI, else mlflow.db here.
        address: A running Ray cluster; None starts one on this machine.
        rerun: Which known trials run again: "missing", "failed", "stopped", "changed" or "all".
        max_concurrent: At most so many trials at once; None for as many as there is room for.
        work_dir: Where logs and checkpoints go.
        num_cpus: CPUs of the cluster that is started here; None for all.
        num_gpus: GPUs of the cluster that is started here; None for all.
    """

    tracking_uri: str | None = None
    address: str | None = None
    rerun: str = "missing"
    max_concurrent: int | None = None
    work_dir: WorkDir = _RUNS
    num_cpus: int | None = None
    num_gpus: int | None = None


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """What a sweep gave.

    Attributes:
        records: A record for each trial, in the documented order.
        untracked: What the tracking store refused, one sentence each.
        is_interrupted: Whether it was ended before all trials were done.
        lacks_resources: Whether a trial was given up because no machine had room for it.
        signum: The signal that ended it, or None.
    """

    records: list[TrialRecord]
    untracked: list[str]
    is_interrupted: bool
    lacks_resources: bool = False
    signum: int | None = None


class Sweep:
    """All runs of an experiment's grid and repeats.

    Args:
        experiment: What is trained.
        options: How.
    """

    def __init__(self, experiment: Experiment, options: SweepOptions) -> None:
        self.experiment = experiment
        self._options = options
        self._uri = mlflow_store.absolute(options.tracking_uri or mlflow_store.default_uri())
        self._work_dir = options.work_dir.below(experiment.name)
        self._notes: list[str] = []
        self._joins = options.address is not None or connection.is_connected()

    def plan(self) -> Plan:
        """Return what would run and why, without changing anything.

        Raises:
            ExperimentError: If the experiment is wrong.
            ResourceError: If a trial's need can never be met.
            TrackingError: If the store can't be read.
        """
        waiting = settling.unsettled(self._work_dir.local, uri=self._uri)
        if waiting:
            logger.warning(
                "an earlier sweep left %d events that the tracking store does not have: the next"
                " sweep, or `akid.sweep sync`, sends them, and may find that less has to run",
                waiting,
            )
        with ExitStack() as stack:
            capacity = self._known_capacity(stack)
            plan = self._plan(capacity)
            return self._peaks().packed(plan, capacity, self._gpus(plan, capacity))

    def run(self) -> SweepOutcome:
        """Train what is missing and return a record for each trial.

        Raises:
            ExperimentError, ResourceError, TrackingError: As `plan`; nothing has been trained then.
            StorageError: If the folder for the trials' files can't be written; likewise.
        """
        clusters = ExitStack()
        with Ending() as ending:
            try:
                return self.carry_out(ending, clusters)
            finally:
                with ending.counted():
                    clusters.close()

    def carry_out(self, ending: Ending, clusters: ExitStack) -> SweepOutcome:
        """Do what `run` does, for a caller that hears the signals and ends the cluster.

        Args:
            ending: The signals that end the sweep.
            clusters: Keeps the cluster, which may serve more than one sweep.

        Raises:
            EndRequested: If a signal came before anything was begun.
        """
        capacity = self._known_capacity(clusters)
        earlier = MlflowTracker(self._uri, self.experiment.name, create=False)
        was_left = settling.settle(earlier, self._work_dir.local, uri=self._uri)
        ended_sweeps = earlier.closed_sweeps()
        plan = self._plan(capacity)
        if not plan.to_run:
            return _nothing_to_do(plan)
        self._work_dir.make()
        tracker = MlflowTracker(self._uri, self.experiment.name)
        with self._lock(tracker) as lock:
            was_left |= settling.settle(tracker, self._work_dir.local, uri=self._uri, is_alone=True)
            if was_left or tracker.closed_sweeps() != ended_sweeps:  # others have trained since
                plan = self._plan(capacity)
                if not plan.to_run:
                    return _nothing_to_do(plan)
            with ending.counted():
                cluster = clusters.enter_context(self._connect(capacity))
                storage.check_shared(self._options.work_dir)
                plan = self._packed(plan, cluster.capacity, ending)
                return self._train(plan, tracker, lock, cluster, ending)

    def known_records(self) -> list[TrialRecord]:
        """Return a record of what is known of each trial, without training any."""
        return records_of(self.plan(), {})

    def where(self) -> str:
        """Return a line that says how to look at the results."""
        if self._uri.startswith("http"):
            return f"MLflow: {self._uri}, experiment {self.experiment.name}"
        return f"Compare the runs: mlflow ui --backend-store-uri {self._uri}"

    def _known_capacity(self, stack: ExitStack) -> ClusterCapacity:
        """Return what the cluster has; one that has yet to be started has what this machine has."""
        if not self._joins:
            return machine.local_capacity(
                num_cpus=self._options.num_cpus, num_gpus=self._options.num_gpus
            )
        path = self.experiment.path
        code = path.resolve().parent if path is not None else None
        joined = connection.connect(self._options.address, code=code, metadata=self._metadata())
        return stack.enter_context(joined).capacity

    def _lock(self, tracker: MlflowTracker) -> SweepLock:
        name = f"{self.experiment.name} {time.strftime('%Y-%m-%d %H:%M:%S')}"
        return SweepLock(tracker, name, tags=self._tags(), on_lost=_give_up)

    def _tags(self) -> dict[str, str]:
        return provenance.tags(
            self.experiment.path, data_fingerprint=self.experiment.data_fingerprint
        )

    def _connect(self, capacity: ClusterCapacity) -> AbstractContextManager[Cluster]:
        return connection.connect(
            metadata=self._metadata(), num_cpus=int(capacity.cpus), num_gpus=int(capacity.gpus)
        )

    def _metadata(self) -> Mapping[str, str]:
        return {"akid.experiment": self.experiment.name}

    def _plan(self, capacity: ClusterCapacity) -> Plan:
        experiment = self.experiment
        requests = instance_numbers.requests_for(
            experiment.gpu_num_per_instance,
            experiment.cpu_num_per_instance,
            experiment.n_instances,
            capacity,
            demand=experiment.demand,
            extent=experiment.extent,
        )
        known = MlflowTracker(self._uri, experiment.name, create=False).known_runs()
        plan = planning.make_plan(
            experiment,
            requests,
            planning.by_key(known),
            rerun=self._options.rerun,
            left=self._left,
            versions=provenance.deciding_versions(),
        )
        together = bool(self._work_dir.uri)
        needs = [replace(planned.trial.request, together=together) for planned in plan.trials]
        resources.check_feasible(needs, capacity)
        return plan

    def _left(self, run: KnownRun) -> Left | None:
        """Return what a trial can go on from; not between an object store and a folder.

        Raises:
            StorageError: If this sweep's own object store does not answer.
        """
        if is_uri(run.folder) != bool(self._work_dir.uri):
            return None
        try:
            return left_in(run.folder, run.key)
        except StorageError as error:
            own, place = (uri.partition("?")[0] for uri in (self._work_dir.uri, run.folder))
            if place.startswith(f"{own.rstrip('/')}/"):
                raise
            fault: OSError = error
        except OSError as error:  # such as another user's folder
            fault = error
        logger.warning("run %s begins anew: %s", run.run_id, fault)
        return None

    def _peaks(self) -> Peaks:
        return Peaks(self._work_dir.local)

    def _packed(self, plan: Plan, capacity: ClusterCapacity, ending: Ending) -> Plan:
        """Measure the nets that have not been measured, and pack the trials accordingly."""
        peaks, gpus = self._peaks(), self._gpus(plan, capacity)
        missing = peaks.missing(plan, gpus)
        if missing:
            from akid.tuning import gpu_probe

            for trial, found in gpu_probe.measured(missing, is_to_end=lambda: ending.wishes() > 0):
                if isinstance(found, str):
                    self._notes.append(f"{trial.label} keeps a GPU for itself: {found}")
                else:
                    peaks.add(plan, trial, found)
        return peaks.packed(plan, capacity, gpus)

    def _gpus(self, plan: Plan, capacity: ClusterCapacity) -> list[Gpu]:
        """Return the GPUs that trials of a plan may share; nobody is asked where none do."""
        if not packing.packable(plan):
            return []
        if self._joins:
            found = inventory.of_cluster()
        else:
            gpus = machine.local_gpus()
            found = [NodeInventory(name=node.name, gpus=gpus) for node in capacity.nodes]
        return packing.suitable_gpus(plan, capacity, found)

    def _train(
        self, plan: Plan, tracker: MlflowTracker, lock: SweepLock, cluster: Cluster, ending: Ending
    ) -> SweepOutcome:
        with loading():
            from akid.tuning import run
        from akid.tuning.board import Board

        trials = plan.to_run
        tags = self._tags()
        parent_id = lock.run_id
        head = SpoolHead(uri=self._uri, experiment=self.experiment.name, sweep=parent_id)
        work_dir = self._work_dir
        writer = TrackingWriter(tracker, spool=Spool(head.file(work_dir.local), head))
        writer.log_files(None, texts=_sweep_texts(self.experiment))
        state = SweepState(waiting=len(trials), known=len(plan.skipped))
        try:
            with (
                open_progress(state, metric=self.experiment.metric) as progress,
                Board(lock.name, waiting=len(trials)) as board,
            ):
                if cluster.dashboard_url:
                    progress.say(f"Ray dashboard: {cluster.dashboard_url}")
                for note in self._notes:
                    progress.say(note)
                conductor = Conductor(
                    trials, plan.reopened, writer, progress, board, work_dir=work_dir, tags=tags
                )
                is_complete = run.run_trials(
                    trials,
                    conductor,
                    name=f"sweep-{parent_id[:8]}",
                    work_dir=work_dir,
                    capacity=cluster.capacity,
                    policy=self.experiment.policy(),
                    max_concurrent=self._options.max_concurrent,
                    halving=self._halving(plan),
                    metric=self._unseen_metric(plan),
                    left_in={at: run.folder for at, run in plan.broken_off.items()},
                    ending=ending,
                )
        except BaseException:
            lock.hand_on()
            writer.end_sweep(status="FAILED", summary={})
            writer.close(wishes=ending.wishes)
            raise
        lock.hand_on()
        self._leave_results(writer, records_of(plan, conductor.records))
        counts = Counter(record.status for record in conductor.records.values())
        writer.end_sweep(
            status="FINISHED" if is_complete else "KILLED",
            summary={f"trials/{status.lower()}": float(n) for status, n in counts.items()},
        )
        untracked = writer.close(wishes=ending.wishes)
        lock.release()
        ended = {
            index: replace(record, run_id=writer.run_ids.get(index))
            for index, record in conductor.records.items()
        }
        records = records_of(plan, ended)
        return SweepOutcome(
            records=records,
            untracked=untracked,
            is_interrupted=not is_complete,
            lacks_resources=conductor.lacks_resources,
            signum=ending.signum,
        )

    def _leave_results(self, writer: TrackingWriter, records: list[TrialRecord]) -> None:
        """Let the sweep's run say what came of it."""
        metric, mode, _ = usable_metric(records, self.experiment.metric, self.experiment.mode)
        text = Ranking.of(records, metric=metric, mode=mode).to_markdown()
        writer.log_files(None, texts={"results.md": text})
        writer.set_tags(None, {_DESCRIPTION: text[:_DESCRIPTION_CHARS]})

    def _unseen_metric(self, plan: Plan) -> str | None:
        """Return the metric that is asked for, unless a known trial has it."""
        metric = self.experiment.metric
        known = (planned.known for planned in plan.trials if planned.known is not None)
        is_seen = any(metric in run.final or metric in run.best for run in known)
        return None if is_seen else metric

    def _halving(self, plan: Plan) -> "Halving | None":
        """Return what stops trials that fall behind, told of what earlier sweeps recorded."""
        asha = read_scheduler(self.experiment.scheduler)
        if asha is None:
            return None
        from akid.tuning.halving import Halving

        halving = Halving(asha, metric=self.experiment.metric, mode=self.experiment.mode)
        for planned in plan.trials:
            goes_on = planned.left is not None or planned.action == "skip"
            left = self._left(planned.known) if goes_on and planned.known is not None else None
            if left is not None:
                halving.tell(planned.trial.key, left.rows)
        return halving


def _give_up(reason: str) -> None:
    """End this sweep, as Ctrl-C does: its trials belong to another one now."""
    logger.error("%s, so this one ends; its trials go on there", reason)
    _thread.interrupt_main()


def _nothing_to_do(plan: Plan) -> SweepOutcome:
    return SweepOutcome(records=records_of(plan, {}), untracked=[], is_interrupted=False)


def _sweep_texts(experiment: Experiment) -> dict[str, str]:
    """Return the parent run's artifacts: the experiment as it was, and what was not committed."""
    texts = {"setup.py": experiment.template.source}
    if experiment.path is not None:
        texts["experiment.py"] = experiment.text
    diff = provenance.uncommitted(experiment.path)
    if diff:
        texts["uncommitted.diff"] = diff
    return texts
