"""Kid: a training run, made of a sensor, a brain and a kongfu on an engine."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self, final

import torch

from akid.core import seeding
from akid.core.block import Block, Signal
from akid.core.brain import Brain
from akid.core.clock import Clock
from akid.errors import SetupError
from akid.sensing.sensor import Sensor
from akid.training import engine as engines
from akid.training import resuming
from akid.training.best import Best
from akid.training.checkpoint import CheckpointFolder
from akid.training.engine import EngineParts, EngineSpec
from akid.training.hooks import EarlyStopping, Hooks
from akid.training.journal import Journal
from akid.training.kongfu import KongFu
from akid.training.report import Report, Row
from akid.training.speedometer import Speedometer


@final
class Kid(Block):
    """Practises: senses batches by its sensor and improves its brain by its kongfu (training run).

    `practice` does this, with the hooks of `kid.hooks` where `on_...` stands::

        on_train_begin
        validate                                          unless resumed after step 0
        while step < max_steps and nobody asked to stop:
            on_batch_begin
            take a batch, improve the brain, step += 1    (epoch += 1 after the epoch's last batch)
            every train_log_step steps:                   record a row, on_train_log_step
            every val_log_step steps, if log_by_step:     validate
            at the end of an epoch:                       on_epoch_end
                every num_epoch_per_log, if log_by_epoch: validate
        validate                                          unless it was just done
        evaluate the best weights on the test split, if there is one
        make the report, on_train_end

    where `validate` is: evaluate the validation split, record a row, on_val_log_step, write a
    checkpoint, on_checkpoint. With `do_batch_monitoring` the very first batch is propagated again,
    without an update, at the begin and with each training row: on_batch_monitoring.

    A training row has step, epoch, lr, train_loss, metrics as train_accuracy and samples_per_s; a
    validation row step, epoch, val_loss and metrics as val_accuracy. Losses include the penalties
    of regularisers; where there are any, train_data_loss and val_data_loss are without them.

    Args:
        sensor_in: What gives the batches.
        brain_in: What is to be improved.
        kongfu_in: How.
        engine: Where: `"single"`, or a dict with the name and options of an engine.
        max_steps: How many steps to practise. Exactly one of this and `max_epoch` is given.
        max_epoch: How many passes over the training data to practise.
        log_dir: The folder of the log and the checkpoints; `log/<time>_<process>` unless given. It
            may also be set as an attribute before `practice`.
        log_to_file: Whether `<log_dir>/training.log` is written.
        val_log_step: Steps between two validations.
        train_log_step: Steps between two training rows.
        log_by_epoch: Whether to validate at the end of epochs.
        num_epoch_per_log: Epochs between two such validations.
        log_by_step: Whether to validate every `val_log_step` steps.
        save_chk_point: Whether each validation writes `<log_dir>/model/checkpoint-<step>.pt`.
        continue_from_chk_point: Whether to go on from the newest checkpoint, if there is one.
        skip_validation: Whether to leave out every evaluation, the one on the test split included.
        do_batch_monitoring: Whether to look at the first batch again and again, see above.
        best_metric: By which key of a validation row the best weights are chosen; less is better
            if it holds "loss" or "error". `val_accuracy`, or else `val_loss`, unless given.
        patience: After how many validations in a row without a better one to stop; None: never.
        num_chk_points: How many of the last checkpoints are kept, besides the best one.
        seed: What all random numbers of the run are derived from; the seed of the scope around,
            or 0, unless given.
        device: Where to compute; the engine chooses unless given.
        name: The block's name.
        bag: See `Block`.

    Attributes:
        hooks: Lists of functions to be called.
        clock: Counts steps and epochs.
        rows: The rows of the last practice.
        last_row: The last of them.
        report: The report of the last practice, or None.
        checkpoint_path: The checkpoint that was written last, or None.

    Raises:
        SetupError: If the arguments do not fit together.

    >>> from akid.models.one_layer import OneLayerBrain
    >>> from akid.sensing.datasets.digits import DigitsFeedSource
    >>> from akid.sensing.sensor import FeedSensor
    >>> from akid.training.kongfu import MomentumKongFu
    >>> sensor = FeedSensor(DigitsFeedSource(name="Source", scale=True), name="Sensor")
    >>> brain, kongfu = OneLayerBrain(name="Brain"), MomentumKongFu(name="Kongfu")
    >>> kid = Kid(sensor, brain, kongfu, max_steps=2, log_to_file=False, save_chk_point=False)
    >>> kid.practice().steps
    2
    """

    def __init__(
        self,
        sensor_in: Sensor,
        brain_in: Brain,
        kongfu_in: KongFu,
        *,
        engine: EngineSpec = "single",
        max_steps: int | None = None,
        max_epoch: int | None = None,
        log_dir: str | Path | None = None,
        log_to_file: bool = True,
        val_log_step: int = 1000,
        train_log_step: int = 100,
        log_by_epoch: bool = False,
        num_epoch_per_log: int = 1,
        log_by_step: bool = True,
        save_chk_point: bool = True,
        continue_from_chk_point: bool = False,
        skip_validation: bool = False,
        do_batch_monitoring: bool = False,
        best_metric: str | None = None,
        patience: int | None = None,
        num_chk_points: int = 5,
        seed: int | None = None,
        device: torch.device | str | None = None,
        name: str | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, bag=bag)
        self.sensor = sensor_in
        self.brain = brain_in
        self.kongfu = kongfu_in
        self._check_parts()
        self.engine = engines.get(engine, device=device)
        self.max_steps = max_steps
        self.max_epoch = max_epoch
        self.log_dir = log_dir
        self.log_to_file = log_to_file
        self.val_log_step = val_log_step
        self.train_log_step = train_log_step
        self.log_by_epoch = log_by_epoch
        self.num_epoch_per_log = num_epoch_per_log
        self.log_by_step = log_by_step
        self.save_chk_point = save_chk_point
        self.continue_from_chk_point = continue_from_chk_point
        self.skip_validation = skip_validation
        self.do_batch_monitoring = do_batch_monitoring
        self.patience = patience
        self.num_chk_points = num_chk_points
        self.seed = seed if seed is not None else seeding.current_seed()
        self._check_counts()
        self.hooks: Hooks[Self] = Hooks()
        self.clock = Clock()
        self.rows: list[Row] = []
        self.last_row: Row = {}
        self.report: Report | None = None
        self.checkpoint_path: Path | None = None
        self._best = Best(best_metric)
        self._journal = Journal(self.label)
        self._speed = Speedometer()
        self._last_rows: dict[str, Row] = {"train": {}, "val": {}}
        self._last_step = 0
        self._settled_step: int | None = None
        self._is_stopping = False

    def _check_parts(self) -> None:
        kinds: dict[str, type[Block]] = {"sensor": Sensor, "brain": Brain, "kongfu": KongFu}
        for role, kind in kinds.items():
            part = getattr(self, role)
            if not isinstance(part, kind):
                raise SetupError(
                    f"{self.label}: expected {role}_in to be a {kind.__name__}, got"
                    f" a {type(part).__name__}. The order is sensor, brain, kongfu."
                )

    def _check_counts(self) -> None:
        if (self.max_steps is None) == (self.max_epoch is None):
            raise SetupError(
                f"{self.label}: expected exactly one of max_steps and max_epoch, got"
                f" max_steps={self.max_steps!r}, max_epoch={self.max_epoch!r}."
            )
        least = {"max_steps": 0, "max_epoch": 0, "val_log_step": 1, "train_log_step": 1}
        least |= {"num_epoch_per_log": 1, "num_chk_points": 1, "patience": 1}
        for argument, lowest in least.items():
            value = getattr(self, argument)
            if value is not None and (type(value) is not int or value < lowest):
                raise SetupError(
                    f"{self.label}: expected {argument} as an integer from {lowest},"
                    f" got {argument}={value!r}."
                )

    @property
    def step(self) -> int:
        """How many updates the brain has had."""
        return self.clock.step

    @property
    def epoch(self) -> int:
        """How many passes over the training data are complete."""
        return self.clock.epoch

    def _setup(self, inputs: Any) -> None:
        """Set up sensor, brain, kongfu and engine, all random numbers derived from the seed."""
        del inputs
        if self.seed is None:
            self.seed = seeding.current_seed() or 0
        with seeding.seed_scope(self.seed):
            self.sensor.to(self.engine.device)
            self.sensor.setup()
            self.brain.setup(self.sensor.current_batch())
            self.brain.to(self.engine.device)
            self.kongfu.setup(self.brain)
            self.engine.setup(EngineParts(brain=self.brain, kongfu=self.kongfu, clock=self.clock))

    def forward(self, inputs: Signal) -> Any:
        """Let the brain process a batch."""
        return self.brain(inputs)

    def practice(self, continue_from_chk_point: bool | None = None) -> Report:
        """Practise until max_steps or max_epoch is reached; a second call goes on from there.

        Args:
            continue_from_chk_point: Stands in place of the constructor's, unless None.

        Raises:
            DivergedError: If a loss became NaN or infinite.
            CheckpointError: If a checkpoint can't be written, or the newest one is another kid's.
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

    def stop(self, reason: str = "asked to stop") -> None:
        """End the practice after the running step, as if max_steps were reached."""
        self._is_stopping = True
        self.log(f"stops at step {self.clock.step}: {reason}")

    def log(self, message: str) -> None:
        """Write a message to the log, under the kid's name."""
        self._journal.info(message)

    def validate(self, split: str = "val") -> Row:
        """Return the loss and the metrics over one full pass of a split, as `<split>_loss` ...

        Raises:
            DivergedError: If the loss is not finite.
        """
        self.setup()
        with self.kongfu.averaged_weights():
            return self._evaluate(split)

    def _evaluate(self, split: str) -> Row:
        metrics = self.engine.evaluate(self.sensor.epoch(split))
        return {f"{split}_{name}": value for name, value in metrics.items()}

    # A practice in other processes.

    def _practise_elsewhere(self, *, resumes: bool) -> Report:
        self._log_path(resumes=resumes)
        assert self.log_dir is not None
        self._folder = CheckpointFolder(Path(self.log_dir, "model"), keep=self.num_chk_points)
        self._is_stopping = False
        self.rows = []
        self.engine.practise_all(self, resumes=resumes)
        self._call(self.hooks.on_train_end)
        assert self.report is not None
        return self.report

    def likeness(self, *, is_whole: bool) -> dict[str, Any]:
        """Return what makes another kid of the same parts like this one.

        Args:
            is_whole: Whether with all weights, or only what is counted and recorded.
        """
        found = {"last_row": self.last_row, "checkpoint_path": self.checkpoint_path}
        if not is_whole:
            return {**found, "counts": self.get_extra_state()}
        return {**found, "report": self.report, "state": self.state_dict(), "best": self._best}

    def resemble(self, likeness: Mapping[str, Any]) -> None:
        """Become like the kid that gave the likeness."""
        self.last_row = likeness["last_row"]
        self.checkpoint_path = likeness["checkpoint_path"]
        if "counts" in likeness:
            self.set_extra_state(likeness["counts"])
            return
        self.report, self._best = likeness["report"], likeness["best"]
        self.load_state_dict(likeness["state"])

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
        )
        self.log(f"done: {self.report}")
        self._call(self.hooks.on_train_end)
        return self.report

    def _test(self) -> Row:
        if self.skip_validation or self.sensor.num_samples("test") == 0:
            return {}
        with self.kongfu.averaged_weights(), self._best.in_place(self.brain):
            return self._evaluate("test")

    # Rows.

    def _log_training(self) -> None:
        metrics = self.engine.measurements()
        row: Row = {"step": self.clock.step, "epoch": self.clock.epoch, "lr": self.kongfu.lr}
        row |= {f"train_{name}": value for name, value in metrics.items()}
        row["samples_per_s"] = self.engine.total(self._speed.lap())
        with self._speed.pause():
            self._record("train", row)
            if self.do_batch_monitoring:
                self._monitor()
            self._call(self.hooks.on_train_log_step)

    def _log_validation(self) -> None:
        """Validate and write a checkpoint, unless that was done at this very step."""
        if self._settled_step == self.clock.step:
            return
        self._settled_step = self.clock.step
        with self._speed.pause():
            is_best = not self.skip_validation and self._validate_and_record()
            if self.save_chk_point:
                self.save_checkpoint(is_best=is_best)

    def _validate_and_record(self) -> bool:
        with self.kongfu.averaged_weights():
            row: Row = {"step": self.clock.step, "epoch": self.clock.epoch, **self._evaluate("val")}
            is_best = self._best.offer(row, self.brain)
        self.kongfu.schedule.observe(row)
        self._record("val", row)
        self._call(self.hooks.on_val_log_step)
        self._lose_patience()
        return is_best

    def _lose_patience(self) -> None:
        if self.patience is not None and self._best.waited >= self.patience:
            self.stop(f"{self._best.waited} validations brought nothing better")

    def _record(self, kind: str, row: Row) -> None:
        self._last_rows[kind] = self.last_row = row
        self.rows.append(row)
        self.log(", ".join(f"{name} {value:.6g}" for name, value in row.items()))

    def _monitor(self) -> None:
        """Propagate the first batch again, in evaluation mode so that no random number is drawn."""
        kept = self.brain.keep_data
        self.brain.eval()
        self.brain.keep_data = True
        with torch.no_grad():
            self.brain(self._first_batch)
        self._call(self.hooks.on_batch_monitoring)
        self.brain.keep_data = kept
        self.brain.train()

    def _call(self, hooks: Sequence[Callable[[Self], None]]) -> None:
        for hook in hooks:
            try:
                hook(self)
            except EarlyStopping as event:
                self.stop(str(event) or f"{hook} raised EarlyStopping")

    # Checkpoints.

    def save_checkpoint(self, *, is_best: bool = False) -> Path:
        """Write a checkpoint of everything, and return its path; hooks may call this.

        Of several processes that practise together, the chief's writes.
        """
        step = self.clock.step
        self.checkpoint_path = self._folder.path_of(step)
        if self.engine.is_chief:
            self._folder.write(self.state_dict(), step=step, is_best=is_best)
        self._call(self.hooks.on_checkpoint)
        return self.checkpoint_path

    def get_extra_state(self) -> dict[str, Any]:
        """Return the clock, the best and the last rows, for a checkpoint."""
        return {
            "clock": self.clock.state_dict(),
            "best": self._best.state_dict(),
            "last_rows": {kind: dict(row) for kind, row in self._last_rows.items()},
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_extra_state` gave."""
        self.clock.load_state_dict(state["clock"])
        self._best.load_state_dict(state["best"])
        self._last_rows = {kind: dict(row) for kind, row in state["last_rows"].items()}
        validated_step = self._last_rows["val"].get("step")
        self._settled_step = int(validated_step) if validated_step is not None else None
