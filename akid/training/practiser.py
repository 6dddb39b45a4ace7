"""Practiser: what goes through the loop of a training, step by step."""

import os
import time
from datetime import datetime
from pathlib import Path

from akid.core import seeding
from akid.errors import SetupError
from akid.training import resuming
from akid.training.checkpoint import CheckpointFolder
from akid.training.recorder import Recorder
from akid.training.report import Report
from akid.training.speedometer import Speedometer


class Practiser(Recorder):
    """The part of a `Kid` that practises; the loop is drawn there, and so are the arguments."""

    max_steps: int | None
    max_epoch: int | None
    log_dir: str | Path | None
    log_to_file: bool
    val_log_step: int
    train_log_step: int
    log_by_epoch: bool
    num_epoch_per_log: int
    log_by_step: bool
    continue_from_chk_point: bool
    num_chk_points: int
    seed: int | None
    report: Report | None
    _last_step: int
    _steps_per_epoch: int

    def practice(self, continue_from_chk_point: bool | None = None) -> Report:
        """Practise until max_steps or max_epoch is reached; a second call goes on from there.

        Args:
            continue_from_chk_point: Stands in place of the constructor's, unless None.

        Raises:
            DivergedError: If a loss became NaN or infinite.
            CheckpointError: If a checkpoint can't be written for another reason than a full disk,
                or the newest one is another kid's.
            SetupError: If the kid can't be set up.
        """
        begin_s = time.perf_counter()
        self.setup()
        if continue_from_chk_point is None:
            continue_from_chk_point = self.continue_from_chk_point
        if self.engine.is_elsewhere:
            return self._practise_elsewhere(resumes=continue_from_chk_point)
        with (
            seeding.seed_scope(self.seed),
            self._journal.writing_to(self._log_path(resumes=continue_from_chk_point)),
            self.engine.at_work(),
        ):
            self._begin(resumes=continue_from_chk_point)
            while not self._is_stopping and self.clock.step < self._last_step:
                self._call(self.hooks.on_batch_begin)
                if not self._is_stopping:
                    self._step()
            return self._end(begin_s)

    def _practise_elsewhere(self, *, resumes: bool) -> Report:
        self._log_path(resumes=resumes)
        assert self.log_dir is not None
        self._folder = CheckpointFolder(Path(self.log_dir, "model"), keep=self.num_chk_points)
        self._is_stopping = False
        self.rows = []
        self.unsaved_steps = []
        self.engine.practise_all(self, resumes=resumes)
        self._call(self.hooks.on_train_end)
        assert self.report is not None
        return self.report

    def react(self, event: str) -> bool:
        """Call the hooks of an event, such as "on_epoch_end"; say whether practice shall end."""
        self._call(getattr(self.hooks, event))
        return self._is_stopping

    # The parts of practice, in order.

    def _log_path(self, *, resumes: bool) -> Path | None:
        """Choose the folder, if none was given, and return where the log goes."""
        if self.log_dir is None:
            if resumes:
                raise SetupError(
                    f"{self.label}: expected log_dir with continue_from_chk_point=True, got none."
                    " Give the folder of the run that is to go on."
                )
            now = datetime.now().astimezone()
            self.log_dir = Path("log", f"{now:%Y-%m-%d_%H-%M-%S-%f}_{os.getpid()}")
        return Path(self.log_dir, "training.log") if self.log_to_file else None

    def _begin(self, *, resumes: bool) -> None:
        assert self.log_dir is not None
        self._folder = CheckpointFolder(Path(self.log_dir, "model"), keep=self.num_chk_points)
        self._is_stopping = False
        self.rows = []
        self.unsaved_steps = []
        if resumes:
            resuming.resume(
                self, self._folder, brain=self.brain, best=self._best, journal=self._journal
            )
        elif self._is_fresh_writer() and (aside := self._folder.set_aside()):
            self._journal.warning(f"an earlier run's checkpoints lie in {aside} now")
        self._steps_per_epoch = self.sensor.num_batches_per_epoch_train
        self._last_step = self.max_steps or (self.max_epoch or 0) * self._steps_per_epoch
        self.log(f"{self.brain.num_parameters()} parameters, {self._last_step} steps")
        self._lose_patience()
        self._call(self.hooks.on_train_begin)
        if self.do_batch_monitoring:
            self._first_batch = self.sensor.current_batch()
            self._monitor()
        if self.clock.step == 0 and self.clock.step < self._last_step:
            self._log_validation()
        self._speed = Speedometer()

    def _is_fresh_writer(self) -> bool:
        return self.clock.step == 0 and self.save_chk_point and self.engine.is_chief

    def _step(self) -> None:
        batch = self.sensor.next_batch()
        step = self.clock.step + 1
        is_logged = step % self.train_log_step == 0
        self.engine.step(batch, measure=is_logged)
        self._speed.count(len(batch[0]))
        ends_epoch = step % self._steps_per_epoch == 0
        if ends_epoch:
            self.clock.end_epoch()
        if is_logged:
            self._log_training()
        if self.log_by_step and step % self.val_log_step == 0:
            self._log_validation()
        if ends_epoch:
            self._end_epoch()

    def _end_epoch(self) -> None:
        self._call(self.hooks.on_epoch_end)
        if self.log_by_epoch and self.clock.epoch % self.num_epoch_per_log == 0:
            self._log_validation()

    def _end(self, begin_s: float) -> Report:
        self._log_validation()
        samples_per_s = self.engine.total(self._speed.total())
        test = self._test()
        self.report = Report(
            final={**self._last_rows["train"], **self._last_rows["val"]},
            best=dict(self._best.row),
            test=test,
            steps=self.clock.step,
            epochs=self.clock.epoch,
            seconds=time.perf_counter() - begin_s,
            samples_per_s=samples_per_s,
            rows=len(self.rows),
            unsaved_steps=tuple(self.unsaved_steps),
        )
        if not self.report.is_saved:
            self._journal.warning("ends without a checkpoint of its final weights")
        self.log(f"done: {self.report}")
        self._call(self.hooks.on_train_end)
        return self.report
