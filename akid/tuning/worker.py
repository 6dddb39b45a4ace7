"""Worker: the Ray actor that practises planned trials, one after another."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import ray
from ray import tune

from akid.cluster.gpu_use import GpuUse, metrics_of
from akid.cluster.object_folder import is_uri
from akid.cluster.own_gpus import see_own_gpus
from akid.training import allocator
from akid.training.full_disk import is_full_disk
from akid.tuning import output, provenance, trial_artifacts
from akid.tuning.attempt import ATTEMPT, SOURCES, TRIAL_INDEX, trial_of
from akid.tuning.error_text import text_of
from akid.tuning.execute import Row, ToldToStop, load_setup, practise
from akid.tuning.failure import Failure, classify
from akid.tuning.garbage import loading
from akid.tuning.gpu_share import GpuShare
from akid.tuning.hygiene import ProcessState
from akid.tuning.orders import Orders, Summons
from akid.tuning.outcome import Outcome
from akid.tuning.rows import RowFile
from akid.tuning.stall import StackWatch
from akid.tuning.storable import storable
from akid.tuning.train_runs import ABORTED, ERRORED, FINISHED, TrainRuns
from akid.tuning.trial import Trial, script

if TYPE_CHECKING:
    from akid.tuning.mirror import Mirror
    from akid.tuning.trial_group import TrialGroup

# Rows are handed to the driver at most this often: each hand-over is an event of its loop.
_REPORT_INTERVAL_S: Final = 0.25

# Frames of these folders say how a trial was called, nothing of what it does.
_MACHINERY: Final = (str(Path(__file__).parent), str(Path(ray.__file__).parent))

STOPPED: Final = "stopped"
"""The kind of a crash that is none: the attempt was told to end."""


class TrialCrash(Exception):  # noqa: N818 (it reports a crash, it is none of akid's own errors)
    """A trial ended by an exception, whose text crosses process borders as it can't itself.

    Args:
        kind: A value of `Failure`, `STOPPED`, or "unclean" where only the process has to go.
        message: The exception as one line.
        traceback_text: Its traceback.
    """

    def __init__(self, kind: str, message: str, traceback_text: str) -> None:
        super().__init__(kind, message, traceback_text)
        self.kind = kind
        self.message = message
        self.traceback_text = traceback_text

    def __str__(self) -> str:
        return self.message


class _Performance:
    """One trial that practises in a thread of its own, inside of a local Ray Train worker.

    A thread of its own, because thus the rows reach the driver while the trial goes on, and because
    what torch keeps for each thread (gradient mode, number of threads) starts afresh.
    """

    def __init__(
        self,
        trial: Trial,
        place: str,
        group: "TrialGroup | None",
        *,
        sources: Sequence[str],
        is_to_stop: Callable[[], bool],
        stall_s: float | None,
    ) -> None:
        self._trial = trial
        self._group = group
        self._resumes = bool(sources)
        self._is_to_stop = is_to_stop
        self._has_told_fault = False
        self._notes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Row | Outcome | TrialCrash] = queue.SimpleQueue()
        self._mirror = self._mirror_of(place, sources) if is_uri(place) else None
        self.log_dir: Final = Path(place) if self._mirror is None else self._mirror.folder
        self._watch = StackWatch(self.log_dir / output.FILE_NAME, stall_s)
        self._rows = RowFile(self.log_dir, trial.key)
        self._earlier: Sequence[Row] = []
        threading.Thread(target=self._run, name=f"trial {trial.label}", daemon=True).start()

    def notes(self) -> list[str]:
        """Return what the trial noted since the last call: what is amiss and does not end it."""
        return [self._notes.get_nowait() for _ in range(self._notes.qsize())]

    def next_rows(self) -> tuple[list[Row], Outcome | TrialCrash | None]:
        """Wait for rows; return those of the next moment, and how the trial ended once it has."""
        rows: list[Row] = []
        wait_s: float | None = None
        deadline_s = 0.0
        while True:
            try:
                event = self._events.get(timeout=wait_s)
            except queue.Empty:
                return rows, None
            if not isinstance(event, dict):
                return rows, event
            if not rows:
                deadline_s = time.monotonic() + _REPORT_INTERVAL_S
            if event:
                rows.append(event)
            wait_s = max(0.0, deadline_s - time.monotonic())

    def _run(self) -> None:
        try:
            with self._mirror or nullcontext(), self._watch:
                outcome = self._practise_in_ray_train()
            self._tell_earlier()
            self._events.put(outcome)
        except BaseException as error:  # noqa: BLE001 (whatever user code raises ends its trial only)
            self._tell_earlier()
            self._events.put(crash_of(error))

    def _mirror_of(self, uri: str, sources: Sequence[str]) -> "Mirror":
        from akid.tuning.mirror import Mirror

        return Mirror(
            uri,
            name=self._trial.slug,
            sources=sources,
            is_to_stop=self._is_to_stop,
            on_note=self._note_now,
        )

    def _note_now(self, note: str) -> None:
        """Note what the driver is to hear though the trial may record nothing for long."""
        self._notes.put(note)
        self._events.put({})

    def _practise_in_ray_train(self) -> Outcome:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        trainer = TorchTrainer(
            self._practise,
            scaling_config=ScalingConfig(num_workers=0),
            run_config=RunConfig(name=self._trial.slug),
        )
        outcome = trainer.fit().return_value
        assert isinstance(outcome, Outcome)
        return outcome

    def _practise(self) -> Outcome:
        trial = self._trial
        started_s = time.perf_counter()
        left = self._rows.go_on() if self._resumes else None
        self._earlier = left.rows if left is not None else []
        if left is not None and left.result is not None:
            return Outcome(**left.result)
        if left is None:
            self._rows.begin()
            self._keep_script()
        with closing(self._rows):
            with (
                trial.modules.at_hand(),
                GpuShare(0 if trial.workers else trial.gpus) as share,
                output.kept_in(self.log_dir / output.FILE_NAME),
                self._group.at_hand() if self._group is not None else nullcontext(),
            ):
                report = practise(
                    load_setup(trial.source, name="setup"),
                    seed=trial.seed,
                    threads=trial.threads,
                    log_dir=self.log_dir,
                    on_row=self._hear,
                    resume=left is not None,
                    workers=trial.workers,
                    is_to_stop=self._is_to_stop,
                    on_note=self._notes.put,
                    gpu_fault=share.fault,
                )
            outcome = Outcome(
                final=dict(report.final),
                best=dict(report.best),
                test=dict(report.test),
                usage=dict(metrics_of(self._uses(share))),
                duration_s=time.perf_counter() - started_s,
                unsaved_checkpoints=len(report.unsaved_steps),
            )
            self._rows.end(asdict(outcome))
        return outcome

    def _uses(self, share: GpuShare) -> list[GpuUse]:
        return share.uses() if self._group is None else self._group.uses()

    def _keep_script(self) -> None:
        file = self.log_dir / trial_artifacts.SCRIPT
        try:
            file.write_text(script(self._trial), encoding="utf-8")
        except OSError as error:
            if not is_full_disk(error):
                raise
            with suppress(OSError):  # rather none than a part of one
                file.unlink()
            self._notes.put(f"its program is not kept: {error}")

    def _hear(self, row: Row) -> None:
        row = {**row, "time_s": time.time()}
        if self._mirror is not None:
            self._mirror.check_own()
        self._rows.add(row)
        if self._rows.fault and not self._has_told_fault:
            self._has_told_fault = True
            self._notes.put(f"its rows reach the store only, not its folder: {self._rows.fault}")
        self._watch.heard()
        self._tell_earlier()
        self._events.put(row)

    def _tell_earlier(self) -> None:
        """Tell the rows of an earlier attempt, once there is a sign of life of this one."""
        for row in self._earlier:
            self._events.put(row)
        self._earlier = []


class TrialWorker(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Practises trials of a plan; one process serves many trials (`reuse_actors`).

    Each step hands over the rows that the trial recorded meanwhile, as `{"rows": [...]}`; the first
    one also `"place"`, where it runs; some `"notes"`, what is amiss and ends nothing; the last one
    `"outcome"` or `"crash"`. After a crash the next step raises it, so that Tune counts the trial
    as failed and replaces the process.
    """

    def setup(
        self,
        config: dict[str, Any],
        *,
        trials: tuple[Trial, ...] = (),
        places: tuple[str, ...] = (),
        orders: Orders | None = None,
        stall_s: float | None = None,
        train_runs_of: str = "",
    ) -> None:
        assert orders is not None
        see_own_gpus()
        self._trials = trials
        self.reset_config(config)  # Ray asks for this worker's name when the rest fails
        allocator.keep_freed_memory()
        with loading():  # what every trial needs
            import_module("ray.train.torch")
        self._places = places
        self._orders = orders
        self._stall_s = stall_s
        self._state = ProcessState.take()
        self._served = 0
        self._end: TrialCrash | None = None
        self._performance: _Performance | None = None
        self._group = _group(self._trial)
        self._runs = TrainRuns(train_runs_of) if train_runs_of else None
        self._awaits_staff = False

    def cleanup(self) -> None:
        """End the workers of a gang with their trial's process, and tell what is untold."""
        if self._group is not None:
            self._group.end()
        if self._runs is not None:
            self._runs.close()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._index: int = new_config[TRIAL_INDEX]
        self._trial = trial_of(new_config, self._trials)
        self._attempt: int = new_config[ATTEMPT]
        self._sources: Sequence[str] = new_config[SOURCES]
        return True

    def step(self) -> dict[str, Any]:
        if self._end is not None:
            raise self._end
        _name_process(self._trials[self._index].label)
        if self._performance is None:
            trial = self._trial
            self._performance = _Performance(
                trial,
                self._places[self._index],
                self._group,
                sources=self._sources,
                is_to_stop=Summons(self._orders, self._index, self._attempt),
                stall_s=self._stall_s,
            )
            told: dict[str, Any] = {"place": self._place()}
            self._list_begin(trial, self._performance.log_dir)
        else:
            told = {}
        rows, end = self._performance.next_rows()
        if notes := self._performance.notes():
            told["notes"] = notes
        if not isinstance(end, TrialCrash):
            self._list_staff(self._performance.log_dir)
        if end is None:
            return {**told, "rows": rows}
        self._performance = None
        self._list_end(end)
        if isinstance(end, TrialCrash):
            self._end = self._cleaned() if end.kind == STOPPED else end
            return {**told, "rows": rows, "crash": end, "done": self._end is None}
        self._end = self._cleaned()
        return {**told, "rows": rows, "outcome": end, "done": self._end is None}

    def _list_begin(self, trial: Trial, log_dir: Path) -> None:
        if self._runs is not None:
            self._runs.begin(trial, self._attempt, log_dir / output.FILE_NAME)
            self._awaits_staff = self._group is not None

    def _list_staff(self, log_dir: Path) -> None:
        """List the workers of a gang, once it has answered: they are all up then."""
        if self._runs is not None and self._group is not None and self._awaits_staff:
            self._awaits_staff = False
            self._runs.staff(*self._group.staff(log_dir))

    def _list_end(self, end: Outcome | TrialCrash) -> None:
        if self._runs is None:
            return
        if isinstance(end, Outcome):
            self._runs.end(FINISHED)
        else:
            self._runs.end(ABORTED if end.kind == STOPPED else ERRORED, end.message)
            self._runs.close()

    def _place(self) -> dict[str, str]:
        return provenance.worker_tags() if self._group is None else self._group.tags()

    def _cleaned(self) -> TrialCrash | None:
        """Undo what the trial left behind; what can't be undone ends the process alone."""
        faults = self._state.restore(first=self._served == 0)
        faults += self._group.clean() if self._group is not None else []
        self._served += 1
        if not faults:
            return None
        message = f"the trial finished, its process is replaced: {'; '.join(faults)}"
        return TrialCrash("unclean", message, "")

    def __repr__(self) -> str:
        return f"akid trials, first {self._trial.label}"


def _name_process(label: str) -> None:
    """Let `ps`, `nvidia-smi`, `akid.sweep gpus` and the dashboard call this process by its trial.

    Ray calls a process by the task that it runs, and takes that back at the task's end.
    """
    ray._raylet.setproctitle(f"ray::akid {label}")  # noqa: SLF001 (Ray has it for itself only)


def _group(trial: Trial) -> "TrialGroup | None":
    if not trial.workers:
        return None
    from akid.tuning.trial_group import TrialGroup

    return TrialGroup(trial)


def crash_of(error: BaseException) -> TrialCrash:
    """Return what a trial raised, in words; whoever waits for its end hears of it in any case.

    >>> crash_of(KeyError("lr")).message
    "KeyError: 'lr'"
    """
    try:
        return _told(_innermost(error))
    except BaseException as fault:  # noqa: BLE001 (user code's exceptions may fail in any way)
        message = f"{type(error).__name__}, of which {type(fault).__name__} is all that can be told"
        return TrialCrash(Failure.BUG, message, "")


def _told(error: BaseException) -> TrialCrash:
    if isinstance(error, ToldToStop):
        return TrialCrash(STOPPED, str(error), "")
    message = text_of(error)
    failure = classify(error)
    if failure is Failure.DIVERGED:  # it says where; how it came there is akid's own
        return TrialCrash(failure, message, message)
    text = "".join(traceback.format_exception(error.with_traceback(_own_part(error))))
    return TrialCrash(failure, message, storable(text))


def _own_part(error: BaseException) -> TracebackType | None:
    """Return the traceback from the first frame that is the trial's own; None if none is."""
    part = error.__traceback__
    while part is not None and _is_machinery(part.tb_frame.f_code.co_filename):
        part = part.tb_next
    return part


def _is_machinery(file: str) -> bool:
    return file.startswith(_MACHINERY)


def _innermost(error: BaseException) -> BaseException:
    """Return the user's own exception from what Ray Train wrapped around it."""
    while error.__cause__ is not None and type(error).__module__.startswith("ray."):
        error = error.__cause__
    return error
