"""SingleEngine: all of a step on one device, in full or in mixed precision, compiled or not."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from akid.core.block import Signal
from akid.core.brain import Brain
from akid.core.judge import Metric, named
from akid.errors import SetupError
from akid.training import divergence, layout
from akid.training.divergence import Guard
from akid.training.engine import Engine, EngineParts
from akid.training.tally import Tally
from akid.training.team import Alone, Team

_PRECISIONS: Final = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@final
class SingleEngine(Engine):
    """Everything on one device ("single").

    Args:
        name: The block's name.
        device: The device; None means the GPU if there is one, otherwise the CPU.
        precision: "float32", or "bfloat16" or "float16" for what torch's autocast computes in that
            precision; the parameters stay as they are. With float16 the loss is scaled, so that
            small gradients are not lost, and an update whose gradients overflow is left out.
        compile: Whether `torch.compile` shall compile the brain, or the arguments for it, such as
            `{"mode": "reduce-overhead"}`.
        channels_last: Whether images are laid out with the channels of a pixel side by side; the
            numbers are the same up to rounding. None means where it is mostly faster: on a CPU,
            for batches of 32 images or more that have several channels.

    Attributes:
        team: Those who compute a step together with this engine, each a part of the batch.

    Raises:
        SetupError: If the precision is unknown.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        device: torch.device | str | None = None,
        precision: str = "float32",
        compile: bool | Mapping[str, Any] = False,  # noqa: A002 (torch's own word)
        channels_last: bool | None = None,
    ) -> None:
        super().__init__(name)
        if precision not in _PRECISIONS:
            raise SetupError(
                f"Engine 'single': expected precision among {sorted(_PRECISIONS)},"
                f" got precision={precision!r}."
            )
        self.wants_gpus = device is None or torch.device(device).type == "cuda"
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.precision = precision
        self.compile_arguments = {} if compile is True else compile
        self.channels_last = channels_last
        self._scaler = GradScaler(self.device.type) if precision == "float16" else None
        self.team: Team = Alone()
        self._batch: list[Tensor] = []
        self._tally = Tally()

    def _setup(self, inputs: EngineParts) -> None:
        # Not as attributes of their own: they would become submodules, here and in the kid.
        self._parts = inputs
        self._statistics = [
            buffer
            for name, buffer in inputs.brain.named_buffers()
            if name.rpartition(".")[2].startswith("running_")
        ]
        self._guard = Guard(inputs.brain, device=self.device)
        if self._scaler is not None:  # there is a scale from now on, also before the first loss
            self._scaler.scale(torch.zeros((), device=self.device))
        self._propagate: Callable[[list[Tensor]], Any] = inputs.brain.__call__
        if self.compile_arguments is not False:
            self._propagate = torch.compile(self._propagate, **self.compile_arguments)

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = _PRECISIONS[self.precision]
        if dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=dtype)

    def _laid_out(self, batch: list[Tensor]) -> list[Tensor]:
        turns = layout.is_faster(batch) if self.channels_last is None else self.channels_last
        return layout.channels_last(batch) if turns else batch

    @property
    def is_chief(self) -> bool:  # type: ignore[override]
        """Whether this process writes the files of the run."""
        return self.team.is_chief

    def total(self, value: float) -> float:
        return self.team.sum(value)

    def forward(self, inputs: Signal) -> Any:
        """Propagate a batch through the brain."""
        return self._parts.brain(inputs)

    def step(self, batch: list[Tensor], *, measure: bool = False) -> None:
        parts = self._parts
        batch = self._laid_out(batch)
        self._batch = batch
        if measure:
            self._tally = Tally()
        parts.kongfu.optimizer.zero_grad(set_to_none=True)
        self.team.begin(len(batch[0]))
        if not len(batch[0]):
            pass  # a small batch at the end of an epoch leaves nothing for some of a team
        elif parts.kongfu.accumulate == 1:
            with self.team.averaging(parts.kongfu.parameters_to_improve):
                self._backpropagate(batch, measure=measure)
        else:
            self._backpropagate_in_pieces(batch, measure=measure)
        self.team.average(parts.kongfu.parameters_to_improve, self._statistics)
        if self._scaler is not None:
            self._scaler.unscale_(parts.kongfu.optimizer)
        if not parts.kongfu.decays_weights:
            parts.brain.add_regularization_gradients()
        parts.kongfu.update(parts.clock.step, scaler=self._scaler)
        if self._scaler is not None:
            self._scaler.update()
        parts.brain.on_para_update()
        parts.kongfu.average_weights(parts.clock.step)
        parts.clock.tick()

    def _backpropagate(self, batch: list[Tensor], *, measure: bool, fraction: float = 1.0) -> None:
        brain = self._parts.brain
        with self._autocast():
            self._propagate(batch)
            loss = brain.data_loss
        self._guard.note(loss, batch, step=self._parts.clock.step)
        if measure:
            self._tally.add(len(batch[0]), _measured(brain), brain.seen())
        loss = self.team.weighted(loss)
        if fraction != 1.0:
            loss = loss * fraction
        if self._scaler is not None:
            loss = self._scaler.scale(loss)
        torch.autograd.backward(loss)

    def _backpropagate_in_pieces(self, batch: list[Tensor], *, measure: bool) -> None:
        num_samples = len(batch[0])
        size = -(-num_samples // self._parts.kongfu.accumulate)
        for piece in zip(*(torch.split(tensor, size) for tensor in batch), strict=True):
            fraction = len(piece[0]) / num_samples
            self._backpropagate(list(piece), measure=measure, fraction=fraction)

    def measurements(self) -> dict[str, float]:
        self._guard.check(self._batch)
        return self._metrics(self._tally)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[list[Tensor]]) -> dict[str, float]:
        self._guard.check(self._batch)
        brain = self._parts.brain
        was_training, kept = brain.training, brain.keep_data
        brain.eval()
        brain.keep_data = False
        tally = Tally()
        batch: list[Tensor] = []
        try:
            for batch in map(self._laid_out, batches):
                with self._autocast():
                    self._propagate(batch)
                means = {("", "loss"): brain.data_loss, **brain.mean_evals()}
                tally.add(len(batch[0]), means, brain.seen())
            return self._checked(_with_penalty(self._metrics(tally), brain), batch)
        finally:
            brain.keep_data = kept
            brain.train(was_training)

    def _metrics(self, tally: Tally) -> dict[str, float]:
        """Return the metrics over the samples of all workers."""
        whole = self.team.join(tally)
        pooled = self._parts.brain.pooled_evals(whole.seen())
        return named({**whole.means(), **{metric: float(pooled[metric]) for metric in pooled}})

    def _checked(self, means: dict[str, float], batch: Sequence[Tensor]) -> dict[str, float]:
        loss = means["loss"]
        if not math.isfinite(loss):
            step = self._parts.clock.step
            raise divergence.explain(
                self._parts.brain, batch, step=step, loss=loss, of="validation"
            )
        return means

    @contextmanager
    def at_work(self) -> Iterator[None]:
        brain = self._parts.brain
        was_training, kept = brain.training, brain.keep_data
        brain.train()
        brain.keep_data = False
        try:
            with _reproducible(self.device):
                yield
            self._guard.check(self._batch)
        finally:
            brain.keep_data = kept
            brain.train(was_training)
            self._batch = []

    def get_extra_state(self) -> dict[str, Any]:
        """Return the scale of the loss, for a checkpoint."""
        return {} if self._scaler is None else {"scaler": self._scaler.state_dict()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_extra_state` gave."""
        if self._scaler is not None and "scaler" in state:
            self._scaler.load_state_dict(state["scaler"])


@torch.no_grad()
def _measured(brain: Brain) -> dict[Metric, Tensor]:
    """Return what to report of the batch that the brain has just seen."""
    data_loss = brain.data_loss
    if not _is_regularized(brain):
        return {("", "loss"): data_loss, **brain.mean_evals()}
    losses = {("", "loss"): data_loss + brain.penalty(), ("", "data_loss"): data_loss}
    return {**losses, **brain.mean_evals()}


def _with_penalty(means: dict[str, float], brain: Brain) -> dict[str, float]:
    """Add the penalty, which no batch changes, to the mean of the data loss."""
    if not _is_regularized(brain):
        return means
    data_loss = means.pop("loss")
    return {"loss": data_loss + float(brain.penalty()), "data_loss": data_loss, **means}


def _is_regularized(brain: Brain) -> bool:
    return next(iter(brain.regularized_terms()), None) is not None


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Let cuDNN choose only algorithms that give the same bits each time."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    kept = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = kept
