"""Portrait: a prepared image as it can be looked at (scaled back to 0 to 1)."""

import numpy as np
from torch import Tensor

from akid.observing.tiling import Canvas


def portrait(image: Tensor) -> Canvas:
    """Scale an image to 0 to 1, in colours if it has three channels, otherwise their mean in grey.

    Shape:
        input: `(C, H, W)`, or a vector, which is drawn as one line.
        output: `(H, W)` or `(H, W, 3)`.

    >>> import torch
    >>> portrait(torch.tensor([[[-1.0, 1.0]]]))
    array([[0., 1.]], dtype=float32)
    """
    values = image.detach().float().cpu().numpy()
    if values.ndim < 3:
        values = values.reshape(1, 1, -1) if values.ndim < 2 else values[None]
    low, high = float(values.min()), float(values.max())
    values = (values - low) / ((high - low) or 1.0)
    picture = np.moveaxis(values, 0, -1) if len(values) == 3 else values.mean(0)
    return picture.astype(np.float32)
