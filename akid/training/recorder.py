"""Recorder: what validates a brain, records rows about it and writes its checkpoints."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.clock import Clock
from akid.errors import DiskFullError
from akid.sensing.sensor import Sensor
from akid.training.best import Best
from akid.training.checkpoint import CheckpointFolder
from akid.training.engine import Engine
from akid.training.hooks import EarlyStopping, Hooks
from akid.training.journal import Journal
from akid.training.kongfu import KongFu
from akid.training.report import Row
from akid.training.speedometer import Speedometer


class Recorder(Block):
    """The part of a `Kid` that tells what its practice brings; arguments and attributes as there.

    Args:
        name: The block's name.
        best_metric: By which key of a validation row the best weights are chosen.
        bag: See `Block`.
    """

    sensor: Sensor
    brain: Brain
    kongfu: KongFu
    engine: Engine
    skip_validation: bool
    save_chk_point: bool
    do_batch_monitoring: bool
    patience: int | None

    def __init__(
        self, name: str | None, *, best_metric: str | None, bag: dict[str, Any] | None
    ) -> None:
        super().__init__(name, bag=bag)
        self.hooks: Hooks[Any] = Hooks()
        self.clock = Clock()
        self.rows: list[Row] = []
        self.last_row: Row = {}
        self.checkpoint_path: Path | None = None
        self.unsaved_steps: list[int] = []
        self.unsaved_reason = ""
        self._best = Best(best_metric)
        self._journal = Journal(self.label)
        self._speed = Speedometer()
        self._last_rows: dict[str, Row] = {"train": {}, "val": {}}
        self._settled_step: int | None = None
        self._is_stopping = False
        self._folder: CheckpointFolder
        self._first_batch: list[Tensor]

    def stop(self, reason: str = "asked to stop") -> None:
        """End the practice after the running step, as if max_steps were reached."""
        self._is_stopping = True
        self.log(f"stops at step {self.clock.step}: {reason}")

    def log(self, message: str) -> None:
        """Write a message to the log, under the kid's name."""
        self._journal.info(message)

    def _call(self, hooks: Sequence[Callable[[Self], None]]) -> None:
        for hook in hooks:
            try:
                hook(self)
            except EarlyStopping as event:
                self.stop(str(event) or f"{hook} raised EarlyStopping")

    # Validation.

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

    @property
    def is_settled(self) -> bool:
        """Whether this very step was validated and kept, as far as that is asked for."""
        return self._settled_step == self.clock.step

    def _log_validation(self) -> None:
        """Validate and write a checkpoint, unless that was done at this very step."""
        if self.is_settled:
            return
        self._settled_step = self.clock.step
        with self._speed.pause():
            is_best = not self.skip_validation and self._validate_and_record()
            if self.save_chk_point:
                self.keep_checkpoint(is_best=is_best)

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

    # Checkpoints.

    def save_checkpoint(self, *, is_best: bool = False) -> Path:
        """Write a checkpoint of everything, and return its path; hooks may call this.

        Of several processes that practise together, the chief's writes.

        Raises:
            CheckpointError: If it can't be written.
        """
        self._write_checkpoint(is_best=is_best)
        return self._tell_checkpoint()

    def keep_checkpoint(self, *, is_best: bool = False) -> None:
        """Write a checkpoint as practice does: with a full disk it goes on, from the last good one.

        The step is in `unsaved_steps` then, and the hooks of `on_checkpoint_refused` are called.

        Raises:
            CheckpointError: If it can't be written for another reason than a full disk.
        """
        reason = ""
        try:
            self._write_checkpoint(is_best=is_best)
        except DiskFullError as error:
            reason = str(error)
        if self.engine.total(float(bool(reason))):  # all that practise together go the same way
            self._go_on_without(reason)
        else:
            self._tell_checkpoint()

    def _write_checkpoint(self, *, is_best: bool) -> None:
        if self.engine.is_chief:
            self._folder.write(self.state_dict(), step=self.clock.step, is_best=is_best)

    def _tell_checkpoint(self) -> Path:
        path = self.checkpoint_path = self._folder.path_of(self.clock.step)
        self._call(self.hooks.on_checkpoint)
        return path

    def _go_on_without(self, reason: str) -> None:
        """Note that there is no checkpoint of this step; the log says it the first time."""
        if not self.unsaved_steps and self.engine.is_chief:
            self._journal.warning(f"{reason} Practice goes on without this checkpoint.")
        self.unsaved_steps.append(self.clock.step)
        self.unsaved_reason = reason
        self._call(self.hooks.on_checkpoint_refused)

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
