"""Indexed sources: data that are read example by example, because they do not fit into memory."""
# Shape legend: N = examples, H = height, W = width, C = channels.

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from akid.core import seeding
from akid.sensing import sampler
from akid.sensing.source import Arrays, FeedSource, StaticSource


class IndexedFeedSource(StaticSource, FeedSource):
    """A source that reads the examples that it is asked for; a subclass says how.

    A sensor shuffles, shares and resumes it exactly as it does with data in memory, and prefetching
    hides the time of reading.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._walks: dict[str, sampler.Sampler] = {}

    @abstractmethod
    def read(self, split: str, indices: NDArray[np.int64]) -> Arrays:
        """Return the examples at these places of the split, centred and scaled.

        Shape:
            output: `(images, labels)`: `(N, H, W, C)` float32 and `(N,)` int64.
        """

    def all_labels(self, split: str) -> NDArray[np.int64] | None:  # noqa: ARG002 - for heirs
        """Return the labels of a split if they are known without reading it, for balancing."""
        return None

    def get_batch(self, num: int, get_val: bool = False) -> Arrays:
        """Return the next examples: training ones shuffled in each epoch, validation in order."""
        self.setup()
        name = "val" if get_val else "train"
        if name not in self._walks:
            self._walks[name] = sampler.get("sequence" if get_val else "shuffle")
            self._walks[name].setup(self.num_samples(name), seed=seeding.stream_seed("get_batch"))
        return self.read(name, self._walks[name].take(num).numpy())
