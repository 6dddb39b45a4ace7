"""Sensors: what turns a source into batches of tensors (data loaders)."""
# Shape legend: N = examples of a batch, C = channels, H = height, W = width.

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block
from akid.errors import SetupError
from akid.sensing import sampler as samplers
from akid.sensing.course import Course
from akid.sensing.feed import CallFeed, Feed, ReadFeed, TensorFeed
from akid.sensing.indexed_source import IndexedFeedSource
from akid.sensing.sampler import Cursor, SamplerSpec
from akid.sensing.source import FeedSource, InMemoryFeedSource, Source, StaticSource


class Sensor(Block):
    """Gives the batches of a source: a block without inputs.

    Training goes on for ever by `next_batch`, epoch after epoch: every example once an epoch, the
    last batch of an epoch short. `epoch` reads a whole split for an evaluation and leaves the place
    of the training where it is.

    Args:
        source_in: The source; each kind of sensor says which kinds of source it takes.
        batch_size: Examples in a training batch.
        val_batch_size: Examples in a batch of `epoch`.
        name: The block's name.
    """

    def __init__(
        self,
        source_in: Source,
        *,
        batch_size: int = 100,
        val_batch_size: int = 100,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        for argument, size in (("batch_size", batch_size), ("val_batch_size", val_batch_size)):
            if size < 1:
                raise SetupError(
                    f"{self.label}: expected {argument} of at least 1, got {argument}={size!r}."
                )
        self.source = source_in
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size

    @abstractmethod
    def next_batch(self) -> list[Tensor]:
        """Return the next training batch as `[data, *labels]` and go on."""

    @abstractmethod
    def epoch(self, split: str) -> Iterator[list[Tensor]]:
        """Return an iterator over all batches of a split, each `[data, *labels]`, in order."""

    @abstractmethod
    def current_batch(self, *, get_val: bool = False) -> list[Tensor]:
        """Return the batch that was given last or, before the first, the one that will be."""

    def data(self, get_val: bool = False) -> Tensor:
        """Return the data of the current training (or validation) batch.

        Shape:
            output: `(N, C, H, W)` for images, float.
        """
        return self.current_batch(get_val=get_val)[0]

    def labels(self, get_val: bool = False) -> Tensor | list[Tensor]:
        """Return the labels of the current batch; a list of tensors unless there is one kind.

        Shape:
            output: `(N,)` int64 for classes.
        """
        labels = self.current_batch(get_val=get_val)[1:]
        return labels[0] if len(labels) == 1 else labels

    def num_samples(self, split: str) -> int:
        """Return how many examples a split ("train", "val", "test") has."""
        self.setup()
        assert isinstance(self.source, Source)
        return self.source.num_samples(split)

    @property
    def num_batches_per_epoch_train(self) -> int:
        """How many training batches make an epoch, the short one included."""
        return math.ceil(self.num_samples("train") / self.batch_size)

    @property
    def num_batches_per_epoch_val(self) -> int:
        """How many batches `epoch("val")` gives."""
        return math.ceil(self.num_samples("val") / self.val_batch_size)

    def forward(self, inputs: Any = None) -> list[Tensor]:  # noqa: ARG002 - a sensor has no inputs
        """Return the next training batch."""
        return self.next_batch()


class FeedSensor(Sensor):
    """The sensor for feed sources.

    Data in memory are kept once, as one tensor on the sensor's device; a training batch is one
    `index_select` of it, an evaluation batch a view. Another feed source is asked for each batch;
    the order of the examples, and going on inside an epoch, are then the source's affair.

    Args:
        source_in: A `FeedSource`.
        sampler: In which order training reads: "shuffle", "sequence" or a `Sampler`.
        val_sampler: In which order `epoch("val")` reads.
        prefetch: How many training batches a thread prepares ahead; 0 means none and no thread.
            No example is lost or repeated by it, also not when the training is resumed.

    Raises:
        SetupError: If the source is of another kind, or the sampler unknown.

    >>> from akid.sensing.datasets.digits import DigitsFeedSource
    >>> sensor = FeedSensor(name="Sensor", source_in=DigitsFeedSource(name="Source", scale=True))
    >>> sensor.setup()
    >>> sensor.data().shape, sensor.labels().shape
    (torch.Size([100, 1, 8, 8]), torch.Size([100]))
    """

    def __init__(
        self,
        source_in: FeedSource,
        *,
        batch_size: int = 100,
        val_batch_size: int = 100,
        sampler: SamplerSpec = "shuffle",
        val_sampler: SamplerSpec = "sequence",
        prefetch: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(source_in, batch_size=batch_size, val_batch_size=val_batch_size, name=name)
        if not (isinstance(source_in, FeedSource) and isinstance(source_in, StaticSource)):
            raise SetupError(
                f"{self.label}: expected source_in to be a FeedSource of a fixed number of examples"
                f" (a StaticSource), got source_in of type {type(source_in).__name__}."
            )
        if prefetch < 0:
            raise SetupError(f"{self.label}: expected prefetch of at least 0, got {prefetch=!r}.")
        self.source: FeedSource
        self._course = Course(samplers.get(sampler), prefetch=prefetch)
        self._val_sampler = samplers.get(val_sampler)
        self._feeds: dict[str, Feed] = {}
        self._current: dict[str, list[Tensor]] = {}
        self._restored: dict[str, int] = {}
        self._rank, self._num_workers = 0, 1
        # Follows the sensor to any device or dtype, and so says where the batches shall lie.
        self._place: Tensor
        self.register_buffer("_place", torch.empty(0, dtype=torch.float32), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the batches lie; `to` changes it."""
        return self._place.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the data; `to` changes it."""
        return self._place.dtype

    def _setup(self, inputs: Any) -> None:  # noqa: ARG002 - a sensor has no inputs
        self.source.setup()
        self._settle()
        seed = seeding.stream_seed("shuffle")
        labels = self._feed("train").labels
        self._course.start(self.source.num_samples("train"), seed=seed, labels=labels)
        if self.source.num_samples("val"):
            self._val_sampler.setup(self.source.num_samples("val"), seed=seed)
        if self._restored:
            self._course.restore(self._restored, who=self.label)

    @property
    def seed(self) -> int:
        """What every order and every joke is derived from, once the sensor is set up."""
        assert self._course.seed is not None
        return self._course.seed

    def next_batch(self) -> list[Tensor]:
        if not self.is_setup:
            self.setup()
        batch = self._course.next(self.batch_size, self._make)
        self._current["train"] = batch
        return batch

    def _make(self, cursor: Cursor, indices: Tensor) -> list[Tensor]:  # noqa: ARG002 - for heirs
        """Return the training batch of these examples; it depends on the arguments alone.

        Args:
            cursor: Where the batch begins, for what is drawn anew for each batch.
            indices: The examples.
        """
        return self._feed("train").pick(indices)

    def epoch(self, split: str) -> Iterator[list[Tensor]]:
        """Return an iterator over all batches of a split, each `[data, *labels]`, in order.

        Shape:
            output: data `(N, C, H, W)` float; views of memory that must not be written to.

        Raises:
            SetupError: If the split is unknown or empty.
        """
        num_samples = self.num_samples(split)
        if num_samples == 0:
            raise SetupError(
                f"{self.label}: expected a split with examples, got split={split!r}, which"
                f" {self.source.label} has none in. Raise num_val, or skip the evaluation."
            )
        if split == "val" and not isinstance(self._val_sampler, samplers.SequenceSampler):
            return self._picked_val(num_samples)
        return self._cut(split, num_samples)

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Go on training to the end of the current epoch."""
        self.setup()
        epoch = self._course.cursor.epoch
        while self._course.cursor.epoch == epoch:
            yield self.next_batch()

    def current_batch(self, *, get_val: bool = False) -> list[Tensor]:
        self.setup()
        split = "val" if get_val else "train"
        if split not in self._current:
            self._current[split] = (
                next(self.epoch("val"))
                if get_val
                else self._course.peek(self.batch_size, self._make)
            )
        return self._current[split]

    def share(self, rank: int, num_workers: int) -> None:
        """Read only one worker's part: of every training batch, and of every split in `epoch`.

        The parts of all workers are disjoint and together exactly what one worker would read; so
        `batch_size` is that of all workers together. A part may be empty at the end of an epoch.

        Raises:
            SetupError: If rank is not in [0, num_workers).
        """
        self._course.share(rank, num_workers)
        self._val_sampler.share(rank, num_workers)
        self._rank, self._num_workers = rank, num_workers
        self._current.clear()

    def get_extra_state(self) -> dict[str, int]:
        """Return where the training stands, for `state_dict`."""
        return self._course.state() or dict(self._restored)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Go on where a state dict says, from the next batch; also before the sensor is set up.

        Raises:
            CheckpointError: If the training set had another size.
        """
        self._restored = dict(state)
        if state and self.is_setup:
            self._course.restore(state, who=self.label)
            self._current.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the data: a copy or another process reads them from its own source."""
        return {**self.__dict__, "_feeds": {}, "_current": {}}

    def close(self) -> None:
        """End the prefetching thread, if there is one; the next batch starts it again."""
        self._course.close()

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "FeedSensor":
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._settle()
        return self

    def _settle(self) -> None:
        """Bring everything that was read to the sensor's device and dtype."""
        self._course.to(self.device)
        for feed in self._feeds.values():
            feed.to(self.device, self.dtype)
        self._val_sampler.to(self.device)
        self._current.clear()

    def _feed(self, split: str) -> Feed:
        if split not in self._feeds:
            feed = self._open(split)
            feed.to(self.device, self.dtype)
            self._feeds[split] = feed
        return self._feeds[split]

    def _open(self, split: str) -> Feed:
        if isinstance(self.source, InMemoryFeedSource):
            return TensorFeed(self.source.prepared(split))
        if isinstance(self.source, IndexedFeedSource):
            return ReadFeed(self.source, split)
        return CallFeed(self.source, get_val=split == "val")

    def _cut(self, split: str, num_samples: int) -> Iterator[list[Tensor]]:
        feed = self._feed(split)
        begin = num_samples * self._rank // self._num_workers
        end = num_samples * (self._rank + 1) // self._num_workers
        for start in range(begin, end, self.val_batch_size):
            batch = feed.cut(start, min(start + self.val_batch_size, end))
            if split == "val":
                self._current[split] = batch
            yield batch

    def _picked_val(self, num_samples: int) -> Iterator[list[Tensor]]:
        feed = self._feed("val")
        for _ in range(math.ceil(num_samples / self.val_batch_size)):
            batch = feed.pick(self._val_sampler.next(self.val_batch_size))
            self._current["val"] = batch
            yield batch
