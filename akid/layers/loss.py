"""Loss layers: how far a prediction is from its labels, as a number to make smaller."""
# Shape legend: N = batch, K = classes.

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from akid.errors import SetupError, ShapeError
from akid.layers.inputs import same_shape, several
from akid.layers.metric import MetricLayer, mean_of
from akid.layers.options import BlockOptions


class LossLayer(MetricLayer):
    """The base of losses, which it multiplies.

    A subclass gives `_loss(*inputs)`, may give `_metrics(*inputs)`, and checks its inputs in
    `_setup`. `forward` returns the multiplied loss, which `loss` keeps.

    Args:
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.
    """

    NAME: ClassVar[str] = "loss"

    def __init__(self, *, multiplier: float = 1.0, **options: Unpack[BlockOptions]) -> None:
        super().__init__(**options)
        self.multiplier = multiplier

    def forward(self, inputs: list[Tensor]) -> Tensor:
        loss = self._loss(*inputs)
        if self.multiplier != 1:
            loss = loss * self.multiplier
        object.__setattr__(self, "loss", loss)  # Past nn.Module's own, which is slow.
        self._keep(inputs)
        return loss

    @abstractmethod
    def _loss(self, *inputs: Tensor) -> Tensor:
        """Return the loss, a scalar, before it is multiplied."""
        raise NotImplementedError


class SoftmaxWithLossLayer(LossLayer):
    """Softmax and the mean cross entropy to the labels; its metric is "accuracy".

    Args:
        class_num: How many classes there are.
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[logits, labels]`: logits `(N, K)` or `(N, K, ...)`, not yet softmaxed; labels the
            numbers of the classes `(N,)` or `(N, ...)`, or a distribution (one-hot, say) for each,
            of the logits' shape.
        output: `()`.

    Raises:
        SetupError: If `class_num` is below 1, or the inputs are not two tensors.
        ShapeError: When set up, if logits or labels have another shape.

    >>> loss = SoftmaxWithLossLayer(class_num=2, name="loss")
    >>> loss([torch.zeros(2, 2), torch.tensor([0, 1])])
    tensor(0.6931)
    >>> loss.evals["accuracy"]
    tensor(0.5000, dtype=torch.float64)
    """

    def __init__(
        self, *, class_num: int, multiplier: float = 1.0, **options: Unpack[BlockOptions]
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        if class_num < 1:
            raise SetupError(f"{self.label}: expected class_num of 1 or more, got {class_num=!r}.")
        self.class_num = class_num

    def _setup(self, inputs: Any) -> None:
        logits, labels = several(inputs, "logits", "labels", who=self.label)
        shape, label_shape = tuple(logits.shape), tuple(labels.shape)
        if len(shape) < 2 or shape[1] != self.class_num:
            raise ShapeError(
                f"{self.label}: expected logits of shape (N, class_num={self.class_num}),"
                f" got shape {shape}. Let the layer before give out_channel_num={self.class_num}."
            )
        if label_shape not in (shape, shape[:1] + shape[2:]):
            raise ShapeError(
                f"{self.label}: expected labels of shape {shape[:1] + shape[2:]} (numbers of"
                f" classes) or {shape} (a distribution each), got shape {label_shape}."
            )

    def _loss(self, *inputs: Tensor) -> Tensor:
        logits, labels = inputs
        wanted = logits.dtype if labels.dim() == logits.dim() else torch.int64
        if labels.dtype != wanted:
            labels = labels.to(wanted)
        return functional.cross_entropy(logits, labels)

    def _metrics(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        logits, labels = inputs
        if labels.dim() == logits.dim():
            labels = labels.argmax(1)
        return {"accuracy": mean_of(logits.argmax(1) == labels)}


class MSELossLayer(LossLayer):
    """The mean of the squared differences.

    Args:
        size_average: Whether to take the mean; the sum otherwise.
        multiplier: What the loss is multiplied by.
        options: The arguments of `Block`.

    Shape:
        input: `[prediction, target]` of one shape.
        output: `()`.

    Raises:
        SetupError: When set up, if the inputs are not two tensors.
        ShapeError: When set up, if they differ in shape.

    >>> MSELossLayer()([torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0])])
    tensor(2.)
    """

    def __init__(
        self,
        *,
        size_average: bool = True,
        multiplier: float = 1.0,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(multiplier=multiplier, **options)
        self.size_average = size_average

    def _setup(self, inputs: Any) -> None:
        same_shape(inputs, "prediction", "target", who=self.label)

    def _loss(self, *inputs: Tensor) -> Tensor:
        prediction, target = inputs
        if target.dtype != prediction.dtype:
            target = target.to(prediction.dtype)
        reduction = "mean" if self.size_average else "sum"
        return functional.mse_loss(prediction, target, reduction=reduction)
