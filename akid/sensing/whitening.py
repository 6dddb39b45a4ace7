"""Whitening: contrast normalisation and ZCA of whole data sets."""
# Shape legend: N = examples, D = all values of an example.

from typing import Final, NamedTuple

import torch
from torch import Tensor

_CHUNK: Final = 8192


class Whitener(NamedTuple):
    """What ZCA learnt from training data.

    Shape:
        mean: `(D,)`.
        matrix: `(D, D)`, symmetric.
    """

    mean: Tensor
    matrix: Tensor

    def apply_(self, data: Tensor) -> Tensor:
        """Whiten data in place.

        Shape:
            data: `(N, ...)` float, D values an example, contiguous.
        """
        for part in torch.split(data.view(len(data), -1), _CHUNK):
            part.copy_((part - self.mean) @ self.matrix)
        return data


def normalize_contrast_(data: Tensor, *, scale: float = 55.0) -> Tensor:
    """Give each example mean 0 and length `scale`, in place (global contrast normalisation).

    Shape:
        data: `(N, ...)` float, contiguous.

    >>> normalize_contrast_(torch.tensor([[1.0, 3.0]]), scale=2**0.5)
    tensor([[-1.,  1.]])
    """
    rows = data.view(len(data), -1)
    rows -= rows.mean(1, keepdim=True)
    length = rows.norm(dim=1, keepdim=True) / scale
    rows /= torch.where(length < 1e-8, 1, length)
    return data


def fit_zca(data: Tensor, *, filter_bias: float = 0.1) -> Whitener:
    """Learn the change that removes correlations between values and moves them least (ZCA).

    Args:
        data: Training data.
        filter_bias: What is added to the variances, so that noise is not blown up.

    Shape:
        data: `(N, ...)` float.
    """
    rows = data.reshape(len(data), -1)
    mean = rows.mean(0)
    covariance = torch.zeros(rows.shape[1], rows.shape[1], dtype=rows.dtype)
    for part in torch.split(rows, _CHUNK):
        centred = part - mean
        covariance.addmm_(centred.T, centred)
    variances, directions = torch.linalg.eigh(covariance / len(rows))
    strength = (variances.clamp_(min=0) + filter_bias).rsqrt()
    return Whitener(mean, (directions * strength) @ directions.T)
