"""One-dimensional pooling: sum up each window of a sequence by its largest value."""
# Shape legend: N = batch, C = channels, L = length.

from typing import Any, Unpack

from torch import Tensor

from akid.core.shape import Size, to_length
from akid.layers.inputs import tensor_of_rank
from akid.layers.options import BlockOptions
from akid.layers.pooling import PoolingLayer


class MaxPooling1DLayer(PoolingLayer):
    """The largest value of each window of a sequence, for each channel by itself.

    Args:
        ksize: The window, as n, `[n]` or `[1, n, 1]`.
        strides: Its step, likewise; None means the window's own size.
        padding: "SAME" or "VALID", as TensorFlow defines them.
        options: The arguments of `Block`.

    Shape:
        input: `(N, C, L)`.
        output: `(N, C, ceil(L / stride))` for SAME.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 3-D or shorter than a VALID window.

    >>> import torch
    >>> MaxPooling1DLayer(2)(torch.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def __init__(
        self,
        ksize: Size,
        strides: Size | None = None,
        padding: str = "VALID",
        **options: Unpack[BlockOptions],
    ) -> None:
        who = options.get("name") or type(self).__name__
        length = to_length(ksize, who=who, what="ksize")
        step = length if strides is None else to_length(strides, who=who, what="strides")
        super().__init__((1, length), (1, step), padding, "max", **options)

    def _setup(self, inputs: Any) -> None:
        super()._setup(tensor_of_rank(inputs, 3, who=self.label).unsqueeze(2))

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.unsqueeze(2)).squeeze(2)
