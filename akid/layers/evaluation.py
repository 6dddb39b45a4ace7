"""Evaluation layers: metrics without a loss, as blocks of a graph."""
# Shape legend: N = batch, K = classes, L = labels.

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Unpack

from torch import Tensor

from akid.errors import SetupError, ShapeError
from akid.layers.inputs import same_shape, several
from akid.layers.metric import MetricLayer, mean_of
from akid.layers.options import BlockOptions
from akid.layers.ranking import area_under_curve, average_precision


class EvalLayer(MetricLayer):
    """The base of evaluation layers: it lets the predictions through, and gives metrics of them.

    A subclass gives `_metrics(predictions, labels)`, and checks its inputs in `_setup`.

    Shape:
        input: `[predictions, labels]`.
        output: the predictions.
    """

    NAME: ClassVar[str] = "eval"

    def _setup(self, inputs: Any) -> None:
        several(inputs, "predictions", "labels", who=self.label)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        self._keep(inputs)
        return inputs[0]


class AccuracyLayer(EvalLayer):
    """Which part of the samples has the right class among the most probable: "accuracy".

    Args:
        top_k: Among how many; above 1 the metric is called "top<k>_accuracy".
        options: The arguments of `Block`.

    Shape:
        input: `[scores, labels]`: `(N, K, ...)` and the numbers of the classes `(N, ...)`, or
            distributions of the scores' shape.
        output: the scores.

    Raises:
        SetupError: If `top_k` is below 1; when set up, if the inputs are not two tensors.
        ShapeError: When set up, if their shapes do not fit, or K is below `top_k`.

    >>> import torch
    >>> top2 = AccuracyLayer(top_k=2)
    >>> _ = top2([torch.tensor([[0.5, 0.2, 0.3]]), torch.tensor([2])])
    >>> top2.evals
    {'top2_accuracy': tensor(1., dtype=torch.float64)}
    """

    def __init__(self, top_k: int = 1, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        if top_k < 1:
            raise SetupError(f"{self.label}: expected top_k of 1 or more, got {top_k=!r}.")
        self.top_k = top_k
        self._metric = "accuracy" if top_k == 1 else f"top{top_k}_accuracy"

    def _setup(self, inputs: Any) -> None:
        scores, labels = several(inputs, "scores", "labels", who=self.label)
        shape, label_shape = tuple(scores.shape), tuple(labels.shape)
        fits = len(shape) > 1 and label_shape in (shape, shape[:1] + shape[2:])
        if not fits or shape[1] < self.top_k:
            raise ShapeError(
                f"{self.label}: expected scores (N, K, ...) with K of top_k={self.top_k!r} or more,"
                f" and labels (N, ...) or of the scores' shape, got {shape} and {label_shape}."
            )

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        scores, labels = inputs
        if labels.dim() == scores.dim():
            labels = labels.argmax(1)
        best = scores.topk(self.top_k, 1).indices
        return {self._metric: mean_of((best == labels[:, None]).any(1))}


class TopKAccuracyLayer(AccuracyLayer):
    """Which part of the samples has the right class among the `top_k` most probable.

    Args:
        top_k: Among how many.
        options: The arguments of `Block`.
    """

    def __init__(self, top_k: int = 5, **options: Unpack[BlockOptions]) -> None:
        super().__init__(top_k, **options)


class BinaryAccuracyLayer(EvalLayer):
    """Which part of the yes-or-no answers is right: "binary_accuracy".

    Args:
        hinge_loss_label: Whether labels are ±1, and a prediction above 0 is a yes; otherwise they
            are 0 or 1, and a prediction above 0.5 is one.
        options: The arguments of `Block`.

    Shape:
        input: `[predictions, labels]` of one shape.
        output: the predictions.

    >>> import torch
    >>> layer = BinaryAccuracyLayer()
    >>> _ = layer([torch.tensor([0.7, 0.2]), torch.tensor([1.0, 1.0])])
    >>> layer.evals
    {'binary_accuracy': tensor(0.5000, dtype=torch.float64)}
    """

    def __init__(self, *, hinge_loss_label: bool = False, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.hinge_loss_label = hinge_loss_label

    def _setup(self, inputs: Any) -> None:
        same_shape(inputs, "predictions", "labels", who=self.label)

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        predictions, labels = inputs
        threshold = 0.0 if self.hinge_loss_label else 0.5
        return {"binary_accuracy": mean_of((predictions > threshold) == (labels > threshold))}


class _RankingLayer(EvalLayer):
    """The base of metrics that rank the samples for each label.

    A kid gives the metric of all samples of a validation together; `evals` is that of the last
    batch, which is another number.
    """

    is_pooled: ClassVar[bool] = True

    def _setup(self, inputs: Any) -> None:
        scores, _ = same_shape(inputs, "scores", "labels", who=self.label)
        if scores.dim() not in (1, 2):
            raise ShapeError(
                f"{self.label}: expected scores and labels of shape (N,) or (N, L),"
                f" got {tuple(scores.shape)}."
            )


class MultiLabelAccuracyLayer(_RankingLayer):
    """The mean over labels of the average precision: "mean_average_precision".

    A label that no sample has does not count. A kid ranks all samples of a validation together.

    Args:
        options: The arguments of `Block`.

    Shape:
        input: `[scores, labels]` of `(N,)` or `(N, L)`; a label above 0 is a positive.
        output: the scores.

    >>> import torch
    >>> layer = MultiLabelAccuracyLayer()
    >>> _ = layer([torch.tensor([0.9, 0.8, 0.1]), torch.tensor([1, 0, 1])])
    >>> layer.evals
    {'mean_average_precision': tensor(0.8333, dtype=torch.float64)}
    """

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        precisions = average_precision(*_columns(*inputs))
        return {"mean_average_precision": precisions.nanmean()}


class AUCLayer(_RankingLayer):
    """The mean over labels of the area under the ROC curve: "auc".

    A label that no sample, or every sample, has does not count. A kid ranks all samples of a
    validation together.

    Args:
        return_average_auc: Whether to give the mean; one metric a label otherwise: "auc_0", ...,
            which is NaN where it does not count.
        options: The arguments of `Block`.

    Shape:
        input: `[scores, labels]` of `(N,)` or `(N, L)`; a label above 0 is a positive.
        output: the scores.

    >>> import torch
    >>> layer = AUCLayer()
    >>> _ = layer([torch.tensor([0.9, 0.8, 0.1]), torch.tensor([1, 0, 1])])
    >>> layer.evals
    {'auc': tensor(0.5000, dtype=torch.float64)}
    """

    def __init__(self, *, return_average_auc: bool = True, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.return_average_auc = return_average_auc

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        areas = area_under_curve(*_columns(*inputs))
        if self.return_average_auc:
            return {"auc": areas.nanmean()}
        return {f"auc_{label}": area for label, area in enumerate(areas)}


def _columns(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    is_positive = labels > 0
    return (scores, is_positive) if scores.dim() == 2 else (scores[:, None], is_positive[:, None])


MultiLabelAccuracy: Final = MultiLabelAccuracyLayer
BinaryAccuracy: Final = BinaryAccuracyLayer
