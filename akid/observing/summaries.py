"""Summaries: what is recorded of a kid while it practises (training dynamics)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, final

import torch
from torch import Tensor

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.core.regularizers import L1
from akid.layers.dropout import DropoutLayer
from akid.layers.padding import PaddingLayer
from akid.layers.reshape import ReshapeLayer
from akid.observing import anatomy
from akid.observing.distribution import Distribution, describe
from akid.observing.subject import Subject

_T = TypeVar("_T")
_SPLITS: Final = {"train": "Training", "val": "Validation", "test": "Test"}
_NAMES: Final = {"lr": "Learning Rate", "samples_per_s": "Samples per Second"}
_PASSING: Final = (DropoutLayer, PaddingLayer, ReshapeLayer)  # as sparse as what they get
_COUNTS: Final = ("step", "epoch")


@dataclass(kw_only=True)
class Track(Generic[_T]):
    """What one tag was at some steps.

    Attributes:
        group: What is recorded, such as "weights": tracks of a group are drawn together.
        label: Whose it is, such as "conv1": what tells the tracks of a group apart.
        steps: The steps, increasing.
        values: One for each step.
    """

    group: str
    label: str
    steps: list[int] = field(default_factory=list)
    values: list[_T] = field(default_factory=list)

    def add(self, value: _T, step: int) -> None:
        """Record a value; what was recorded for this step or later ones is forgotten."""
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.values.pop()
        self.steps.append(step)
        self.values.append(value)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was recorded at one time, for those who want it at once.

    Attributes:
        step: When.
        scalars: Numbers by tag.
        histograms: Distributions by tag.
    """

    step: int
    scalars: Mapping[str, float]
    histograms: Mapping[str, Distribution]


@final
class Summaries:
    """Records scalars and distributions of a kid at each of its log steps.

    With each training row: the row's numbers and, for each layer, distributions of its parameters,
    of their gradients and of its activations, how sparse activations with zeros are, and its
    regularisation loss. With each validation row: the row's numbers. Tags are
    `<brain>/<layer>/weights`, `.../weights/gradients`, `.../weights/l2_loss`, `.../biases`,
    `.../activations`, `.../sparsity`, and "Training Loss", "Validation Loss", "Learning Rate" ...

    Activations are those of the first samples of the batch that comes first, propagated without
    learning, so that curves tell about the brain and not about the batch.

    Args:
        num_samples: How many samples of the first batch are propagated.

    Attributes:
        scalars: Numbers by tag.
        histograms: Distributions by tag.
        listeners: Called with each `Record`.

    >>> summaries = Summaries()
    >>> summaries.add_scalar("brain/gate/openness", 0.5, step=1)
    >>> summaries.scalars["brain/gate/openness"]
    Track(group='openness', label='brain/gate', steps=[1], values=[0.5])
    """

    def __init__(self, *, num_samples: int = 100) -> None:
        self.num_samples = num_samples
        self.scalars: dict[str, Track[float]] = {}
        self.histograms: dict[str, Track[Distribution]] = {}
        self.listeners: list[Callable[[Record], None]] = []
        self._batch: list[Tensor] | None = None

    def attach_to(self, kid: Subject) -> None:
        """Record whenever this kid logs."""
        kid.hooks.on_train_begin.append(self._choose_batch)
        kid.hooks.on_train_log_step.append(self.record_training)
        kid.hooks.on_val_log_step.append(self.record_row)

    def add_scalar(
        self, tag: str, value: float, step: int, *, group: str | None = None, label: str = ""
    ) -> None:
        """Record a number of your own; group and label are the tag's last part and the rest."""
        self._track(self.scalars, tag, group, label).add(float(value), step)

    def add_histogram(
        self,
        tag: str,
        values: Tensor | Distribution,
        step: int,
        *,
        group: str | None = None,
        label: str = "",
    ) -> None:
        """Record the distribution of a tensor of your own; see `add_scalar`."""
        spread = values if isinstance(values, Distribution) else describe(values)
        self._track(self.histograms, tag, group, label).add(spread, step)

    def record_row(self, kid: Subject) -> None:
        """Record the numbers of the kid's last row."""
        self._tell(kid, self._add_row(kid.last_row), {})

    def record_training(self, kid: Subject) -> None:
        """Record the numbers of the kid's last row and what is in its layers."""
        if self._batch is None:
            self._choose_batch(kid)
        assert self._batch is not None
        step, brain = kid.step, kid.brain
        scalars = self._add_row(kid.last_row)
        histograms: dict[str, Distribution] = {}
        for path, block in anatomy.leaves(brain):
            for name, values in _parameters(block):
                tag = self._add_spread(brain, path, name, values, step)
                histograms[tag] = self.histograms[tag].values[-1]
            for name, loss in _penalties(block):
                tag = self._add_number(brain, path, name, loss, step)
                scalars[tag] = loss
        with anatomy.thinking(brain, self._batch) as outputs:
            for path, tensors in outputs.items():
                if isinstance(brain.get_layer_by_name(path), Judge):
                    continue
                tag = self._add_spread(brain, path, "activations", _joined(tensors), step)
                histograms[tag] = self.histograms[tag].values[-1]
                self._add_sparsity(brain, path, tensors, step, scalars)
        self._tell(kid, scalars, histograms)

    def _choose_batch(self, kid: Subject) -> None:
        batch = kid.sensor.current_batch()
        self._batch = [tensor[: self.num_samples] for tensor in batch]

    def _tell(
        self, kid: Subject, scalars: dict[str, float], spreads: dict[str, Distribution]
    ) -> None:
        record = Record(step=kid.step, scalars=scalars, histograms=spreads)
        for listener in self.listeners:
            listener(record)

    def _add_row(self, row: Mapping[str, float]) -> dict[str, float]:
        step = int(row["step"])
        numbers = {key: float(value) for key, value in row.items() if key not in _COUNTS}
        added = {}
        for key, value in numbers.items():
            tag, group, label = row_tag(key)
            self.add_scalar(tag, value, step, group=group, label=label)
            added[tag] = value
        return added

    def _add_sparsity(
        self, brain: Brain, path: str, tensors: list[Tensor], step: int, scalars: dict[str, float]
    ) -> None:
        """Record the fraction of zeros, from the first time on that there are any."""
        values = _joined(tensors)
        sparsity = 1.0 - float(torch.count_nonzero(values)) / max(values.numel(), 1)
        if isinstance(brain.get_layer_by_name(path), _PASSING):
            return
        if sparsity > 0 or f"{brain.label}/{path}/sparsity" in self.scalars:
            scalars[self._add_number(brain, path, "sparsity", sparsity, step)] = sparsity

    def _add_number(self, brain: Brain, path: str, name: str, value: float, step: int) -> str:
        tag = f"{brain.label}/{path}/{name}"
        parameter, _, loss = name.rpartition("/")
        label = path if parameter in ("", "weights") else f"{path}/{parameter}"
        self.add_scalar(tag, value, step, group=loss, label=label)
        return tag

    def _add_spread(self, brain: Brain, path: str, name: str, values: Tensor, step: int) -> str:
        tag = f"{brain.label}/{path}/{name}"
        self.add_histogram(tag, values, step, group=name, label=path)
        return tag

    @staticmethod
    def _track(tracks: dict[str, Track[_T]], tag: str, group: str | None, label: str) -> Track[_T]:
        if tag not in tracks:
            whose, _, what = tag.rpartition("/")
            tracks[tag] = Track(group=group or what, label=label if group else whose)
        return tracks[tag]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "listeners": [], "_batch": None}


def of_rows(rows: Iterable[Mapping[str, float]]) -> Summaries:
    """Return the summaries of recorded rows alone, for a kid that none were attached to."""
    summaries = Summaries()
    for row in rows:
        summaries._add_row(row)  # noqa: SLF001 - this is the class's own module
    return summaries


def row_tag(key: str) -> tuple[str, str, str]:
    """Return the tag, the group and the label of a row's number.

    >>> row_tag("val_loss"), row_tag("lr")
    (('Validation Loss', 'loss', 'validation'), ('Learning Rate', 'learning rate', ''))
    """
    if key in _NAMES:
        return _NAMES[key], _NAMES[key].lower(), ""
    split, _, name = key.partition("_")
    if split not in _SPLITS:
        return key, key, ""
    words = name.replace("_", " ")
    return f"{_SPLITS[split]} {words.title()}", words, _SPLITS[split].lower()


def _parameters(block: Block) -> list[tuple[str, Tensor]]:
    """Return a block's parameters and their gradients, by the ends of their tags."""
    found = []
    for name, parameter in block.named_parameters():
        path = name.replace(".", "/")
        found.append((path, parameter.detach()))
        if parameter.grad is not None:
            found.append((f"{path}/gradients", parameter.grad))
    return found


@torch.no_grad()
def _penalties(block: Block) -> list[tuple[str, float]]:
    """Return what each regularised parameter adds to the loss, by the ends of the tags."""
    names = {id(parameter): name for name, parameter in block.named_parameters()}
    return [
        (
            (
                f"{names.get(id(parameter), 'weights').replace('.', '/')}"
                f"/{'l1_loss' if isinstance(regularizer, L1) else 'l2_loss'}"
            ),
            float(regularizer.penalty(parameter)),
        )
        for regularizer, parameter in block.regularized()
    ]


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat([t.flatten().float() for t in tensors])
