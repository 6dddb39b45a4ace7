"""Trial group: the workers of a trial's actor, kept for all trials that it practises."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, final

import ray
from ray.exceptions import RayError

from akid.cluster.gpu_use import GpuUse
from akid.core import seeding
from akid.errors import ResourceError
from akid.training.ray_group import WorkerGroup
from akid.training.ray_worker import GroupWorker, Place, Task
from akid.tuning import output, provenance
from akid.tuning.execute import seed_globals
from akid.tuning.gpu_share import GpuShare
from akid.tuning.hygiene import ProcessState
from akid.tuning.train_runs import Process
from akid.tuning.trial import Trial

OUTPUT_NAME: Final = "output-worker{rank}.log"
"""What a worker prints is kept under this name, in the trial's folder."""

_START_LIMIT_S: Final = 180.0  # a busy machine loads torch from a network file system


@final
class TrialGroupWorker(GroupWorker):
    """A worker that serves trials: each finds the process as the first one did."""

    def __init__(self) -> None:
        super().__init__()
        self._state = ProcessState.take()
        self._served = 0
        self._uses: list[GpuUse] = []

    def perform(self, task: Task, place: Place) -> None:
        seed_globals(seeding.derive(task.seed, "worker", place.rank))
        self._uses = []
        with (
            GpuShare(len(ray.get_runtime_context().get_accelerator_ids()["GPU"])) as share,
            output.kept_in(Path(task.folder, OUTPUT_NAME.format(rank=place.rank))),
        ):
            if share.fault:
                raise ResourceError(share.fault)
            super().perform(task, place)
        self._uses = share.uses()

    def uses(self) -> list[GpuUse]:
        """Return what the last trial took of this process's GPUs."""
        return self._uses

    def tags(self) -> dict[str, str]:
        """Return where this process runs."""
        return provenance.worker_tags()

    def clean(self) -> list[str]:
        """Undo what the last trial left behind; return what could not be undone."""
        faults = self._state.restore(first=self._served == 0)
        self._served += 1
        return faults

    def where(self) -> Process:
        """Return where this worker lives."""
        return Process.here()

    def __repr__(self) -> str:
        return "akid worker"


@final
class TrialGroup:
    """The workers of a trial's actor, in the actor's own placement group.

    They start at once, and stay for the next trial. They end with this process.

    Args:
        trial: The first trial; all that the actor practises need the same.
    """

    def __init__(self, trial: Trial) -> None:
        placement = ray.util.get_current_placement_group()
        bundle = trial.request.bundles[-1]
        self._group = WorkerGroup(
            placement, bundle, start_limit_s=_START_LIMIT_S, worker_class=TrialGroupWorker
        )
        self._group.start()

    def at_hand(self) -> AbstractContextManager[None]:
        """Let the kid that practises in this thread use the workers."""
        return self._group.at_hand()

    def uses(self) -> list[GpuUse]:
        """Return what the last trial took of the workers' GPUs."""
        return [use for uses in ray.get(self._group.call("uses")) for use in uses]

    def tags(self) -> dict[str, str]:
        """Return where the workers run, and how many they are; wait until they are there."""
        number = {provenance.WORKERS: str(self._group.num_workers)}
        try:
            return {**provenance.joined(ray.get(self._group.call("tags"))), **number}
        except RayError:  # the practice will say why
            return {**provenance.worker_tags(), **number}

    def clean(self) -> list[str]:
        """Undo what a trial left behind in the workers; return what could not be undone."""
        try:
            return self._group.clean()
        except RayError as error:
            return [f"a worker does not answer: {error}"]

    def staff(self, folder: Path) -> tuple[list[Process], list[Path]]:
        """Return where the workers live and where in a trial's folder they print, by rank.

        There are none when one does not answer: the trial then says so itself.
        """
        try:
            processes = ray.get(self._group.call("where"))
        except RayError:
            processes = []
        names = [OUTPUT_NAME.format(rank=rank) for rank in range(len(processes))]
        return processes, [folder / name for name in names]

    def end(self) -> None:
        """End the workers."""
        self._group.dismiss()
