"""Embedding: a learnt vector for each number of a vocabulary."""
# Shape legend: N = batch, D = features.

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from torch import Tensor
from torch.nn import functional

from akid.core.regularizers import Regularizer
from akid.errors import ShapeError
from akid.layers.inputs import one_tensor
from akid.layers.options import BlockOptions, positive
from akid.layers.synapse import DEFAULT_INIT_PARA, SynapseLayer


class EmbeddingLayer(SynapseLayer):
    """Look up the vector of each number.

    Args:
        num_embeddings: How many numbers there are, from 0 on.
        embedding_dim: How long each vector is.
        init_para: The law of the vectors.
        wd: The regulariser of the vectors; None for none.
        max_norm: The largest L2 norm that a vector may have after an update; None for any.
        options: The arguments of `Block`.

    Shape:
        input: `(N, ...)`, whole numbers.
        output: `(N, ..., embedding_dim)`.
        weights: `(num_embeddings, embedding_dim)`.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input holds no whole numbers.

    >>> import torch
    >>> EmbeddingLayer(100, 16)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 16])
    """

    NAME: ClassVar[str] = "embed"

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        init_para: Mapping[str, Any] = DEFAULT_INIT_PARA,
        wd: Mapping[str, Any] | Regularizer | None = None,
        max_norm: float | None = None,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(
            out_channel_num=embedding_dim,
            initial_bias_value=None,
            init_para=init_para,
            wd=wd,
            max_norm=max_norm,
            **options,
        )
        self.num_embeddings = positive(num_embeddings, "num_embeddings", who=self.label)

    def _setup(self, inputs: Any) -> None:
        x = one_tensor(inputs, who=self.label)
        if x.is_floating_point() or x.is_complex():
            raise ShapeError(f"{self.label}: expected whole numbers, got dtype {x.dtype}.")
        shape = (self.num_embeddings, self.out_channel_num)
        self._allocate(shape, fan_in=1, fan_out=self.out_channel_num, like=x)

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.embedding(inputs, self.weights)
