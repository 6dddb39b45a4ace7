"""Attention: let each place of a sequence gather from all places what it looks for."""
# Shape legend: N = batch, T = places that look, S = places looked at, D = features.

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from akid.core import initializers, regularizers, seeding
from akid.core.block import Block
from akid.core.regularizers import Regularizer
from akid.errors import ShapeError
from akid.layers.inputs import several
from akid.layers.options import BlockOptions, positive

INIT_PARA: Final[Mapping[str, Any]] = {"name": "xavier"}


class MultiHeadAttentionLayer(Block):
    """Scaled dot-product attention, by several heads with a part of the features each.

    Args:
        head_num: How many heads there are.
        causal: Whether a place looks at itself and earlier ones only.
        init_para: The law of the weights.
        wd: The regulariser of the weights; None for none.
        options: The arguments of `Block`.

    Attributes:
        weights: Those of queries, keys and values, one below the other: `(3 D, D)`.
        biases: Theirs, from 0 on: `(3 D,)`.
        out_weights: Those of the output: `(D, D)`.
        out_biases: Theirs, from 0 on: `(D,)`.

    Shape:
        input: one tensor `(N, T, D)` that looks at itself; or `[queries, memory]`, or `[queries,
            keys, values]` of `(N, T, D)` and `(N, S, D)`.
        output: `(N, T, D)`.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the inputs are not 3-D, differ in D, or D does not divide.

    >>> MultiHeadAttentionLayer(head_num=4)(torch.zeros(2, 10, 16)).shape
    torch.Size([2, 10, 16])
    """

    NAME: ClassVar[str] = "attention"
    takes_list: ClassVar[bool] = True
    weights: nn.Parameter
    biases: nn.Parameter
    out_weights: nn.Parameter
    out_biases: nn.Parameter

    def __init__(
        self,
        head_num: int,
        *,
        causal: bool = False,
        init_para: Mapping[str, Any] = INIT_PARA,
        wd: Mapping[str, Any] | Regularizer | None = None,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        self.head_num = positive(head_num, "head_num", who=self.label)
        self.causal = causal
        initializers.check(init_para, who=self.label)
        self.init_para = dict(init_para)
        self.regularizer = regularizers.from_description(wd, who=self.label)
        for name in ("weights", "biases", "out_weights", "out_biases"):
            self.register_parameter(name, None)

    def _setup(self, inputs: Any) -> None:
        x = self._check(inputs)
        size = x.shape[2]
        names = ("query", "key", "value", "out")
        drawn = {name: self._draw(name, size, x.device) for name in names}
        self.weights = nn.Parameter(torch.cat([drawn[name] for name in names[:3]]))
        self.biases = nn.Parameter(torch.zeros(3 * size, device=x.device))
        self.out_weights = nn.Parameter(drawn["out"])
        self.out_biases = nn.Parameter(torch.zeros(size, device=x.device))

    def _check(self, inputs: Any) -> Tensor:
        given = [inputs] if isinstance(inputs, Tensor) else inputs
        tensors = several(given, "queries", "keys", "values", who=self.label, optional=2)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        size = shapes[0][-1]
        if any(len(shape) != 3 or shape[2] != size for shape in shapes) or size % self.head_num:
            raise ShapeError(
                f"{self.label}: expected inputs of shape (N, T, D) with one D, a multiple of"
                f" head_num={self.head_num!r}, got {shapes}."
            )
        if len({shape[1] for shape in shapes[1:]}) > 1:
            raise ShapeError(f"{self.label}: expected as many keys as values, got {shapes[1:]}.")
        return tensors[0]

    def _draw(self, name: str, size: int, device: torch.device) -> Tensor:
        return initializers.initialize(
            self.init_para,
            (size, size),
            fan_in=size,
            fan_out=size,
            generator=seeding.generator("weights", name),
            device=device,
            who=self.label,
        )

    def regularized(self) -> list[tuple[Regularizer, Tensor]]:
        """Give pairs of a regulariser and a parameter that it acts on; none before the set-up."""
        if self.regularizer is None or not self.is_setup:
            return []
        return [(self.regularizer, self.weights), (self.regularizer, self.out_weights)]

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> Tensor:
        queries, keys, values = (self._heads(part) for part in self._projections(inputs))
        gathered = functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=self.causal
        )
        merged = gathered.transpose(1, 2).flatten(2)
        return functional.linear(merged, self.out_weights, self.out_biases)

    def _projections(self, inputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
        """Return queries, keys and values; what is one tensor is projected in one go."""
        if isinstance(inputs, Tensor):
            return functional.linear(inputs, self.weights, self.biases).chunk(3, 2)
        queries, keys, values = (*inputs, inputs[-1], inputs[-1])[:3]
        weights, biases = self.weights.chunk(3), self.biases.chunk(3)
        return [
            functional.linear(*part)
            for part in zip((queries, keys, values), weights, biases, strict=True)
        ]

    def _heads(self, projected: Tensor) -> Tensor:
        return torch.unflatten(projected, 2, (self.head_num, -1)).transpose(1, 2)
