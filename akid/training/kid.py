"""Kid: a training run, made of a sensor, a brain and a kongfu on an engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, final

import torch

from akid.core import seeding
from akid.core.block import Block, Signal
from akid.core.brain import Brain
from akid.errors import SetupError
from akid.sensing.sensor import Sensor
from akid.training import engine as engines
from akid.training.engine import EngineParts, EngineSpec
from akid.training.hooks import Hooks
from akid.training.kongfu import KongFu
from akid.training.practiser import Practiser


@final
class Kid(Practiser):
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
        unsaved_steps: The steps of this practice whose checkpoints a full disk did not take.
        unsaved_reason: What the disk said to the last of them.

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

    hooks: Hooks[Self]

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
        super().__init__(name, best_metric=best_metric, bag=bag)
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
        self.report = None

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

    # The same kid in another process.

    def likeness(self, *, is_whole: bool) -> dict[str, Any]:
        """Return what makes another kid of the same parts like this one.

        Args:
            is_whole: Whether with all weights and gradients, or only what is counted and recorded.
        """
        names = ("last_row", "checkpoint_path", "unsaved_steps", "unsaved_reason")
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        if not is_whole:
            return {**found, "counts": self.get_extra_state()}
        gradients = {name: each.grad for name, each in self.brain.named_parameters()}
        found |= {"report": self.report, "best": self._best}
        return {**found, "state": self.state_dict(), "gradients": gradients}

    def resemble(self, likeness: Mapping[str, Any]) -> None:
        """Become like the kid that gave the likeness."""
        self.last_row = likeness["last_row"]
        self.checkpoint_path = likeness["checkpoint_path"]
        self.unsaved_steps = list(likeness["unsaved_steps"])
        self.unsaved_reason = likeness["unsaved_reason"]
        if "counts" in likeness:
            self.set_extra_state(likeness["counts"])
            return
        self.report, self._best = likeness["report"], likeness["best"]
        self.load_state_dict(likeness["state"])
        for name, parameter in self.brain.named_parameters():
            gradient = likeness["gradients"][name]
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
