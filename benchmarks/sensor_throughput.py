"""How many samples a second: IntegratedSensor beside DataLoaders that do the same per sample.

All flip, pad by 4 and crop 32 x 32 out of CIFAR-10's training images (or, where these are not on
this machine, out of synthetic ones of the same size), in batches of 128 of normalised float32. Two
kinds of data sets stand beside the sensor, each behind a DataLoader of 2 workers that persist:

- usual: the way of torchvision's CIFAR10 and its transforms, but on tensors, without the detour
  over PIL: an image of bytes becomes numbers, is normalised, flipped, padded and cropped, with
  draws by `torch.rand` and `torch.randint`.
- lean: the images lie in memory as normalised numbers, and Python's `random` draws, which is faster
  for single numbers than torch. This is the one that the target is about.

Many short rounds of all alternate and the best round of each counts: that is the one in which other
programs disturbed least. A DataLoader's three processes get three times the share of a busy machine
that one process gets, so the ratio of samples a second means something on a quiet machine only; the
samples for each second of processor time, workers included, are told beside it.

    AKID_DATA_PATH=... python benchmarks/sensor_throughput.py [--seconds 0.4] [--rounds 30]
"""

import argparse
import multiprocessing
import os
import platform
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from akid.errors import DataError
from akid.layers.padding import PaddingLayer
from akid.sensing.datasets.cifar10 import Cifar10FeedSource
from akid.sensing.datasets.location import data_path
from akid.sensing.datasets.synthetic import SyntheticFeedSource
from akid.sensing.integrated_sensor import IntegratedSensor
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.source import InMemoryFeedSource

BATCH_SIZE = 128
TARGET = 10.0
LEAN, USUAL = "DataLoader, lean", "DataLoader, usual"


class Usual(Dataset):
    """What most programs do: every image by itself, from bytes."""

    def __init__(self, images: np.ndarray, labels: torch.Tensor) -> None:
        self.images = images
        self.labels = labels.tolist()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).contiguous()
        image = image.to(torch.float32).sub_(127.5).div_(255)
        if torch.rand(1) < 0.5:
            image = image.flip(-1)
        image = functional.pad(image, [4, 4, 4, 4])
        top, left = (torch.randint(0, 9, (1,)).item() for _ in range(2))
        return image[..., top : top + 32, left : left + 32], self.labels[index]


class Lean(Dataset):
    """The least that a program can do for every image by itself."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = self.images[index]
        if random.random() < 0.5:
            image = image.flip(2)
        image = functional.pad(image, (4, 4, 4, 4))
        top, left = random.randrange(9), random.randrange(9)
        return image[:, top : top + 32, left : left + 32], self.labels[index]


def make_source() -> InMemoryFeedSource:
    if Path(data_path(), Cifar10FeedSource.folder).is_dir():
        return Cifar10FeedSource(name="CIFAR-10", center=True, scale=True)
    return SyntheticFeedSource((32, 32, 3), num_train=45000, num_val=0, name="synthetic")


def make_sensor(source: InMemoryFeedSource, prefetch: int) -> IntegratedSensor:
    sensor = IntegratedSensor(source_in=source, batch_size=BATCH_SIZE, prefetch=prefetch)
    sensor.attach(FlipJoker(flip_left_right=True))
    sensor.attach(PaddingLayer(padding=[4, 4]))
    sensor.attach(CropJoker(height=32, width=32))
    sensor.setup()
    return sensor


def loader(data_set: Dataset) -> DataLoader:
    return DataLoader(data_set, BATCH_SIZE, shuffle=True, num_workers=2, persistent_workers=True)


def endless(loader: DataLoader) -> Callable[[], torch.Tensor]:
    def batches():
        while True:
            for data, _ in loader:
                yield data

    return batches().__next__


class Rate(NamedTuple):
    samples: int
    elapsed_s: float
    processor_s: float

    @property
    def per_s(self) -> float:
        return self.samples / self.elapsed_s


def processor_s() -> float:
    """Return the processor time of this process and of its workers so far."""
    ticks = 0
    for pid in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(next_data: Callable[[], torch.Tensor], seconds: float) -> Rate:
    num, processor, start = 0, processor_s(), time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        num += len(next_data())
    return Rate(num, elapsed, processor_s() - processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()

    try:
        source = make_source()
        source.setup()
    except DataError as error:
        raise SystemExit(str(error)) from error
    split = source.prepared("train")
    images, labels = split.tensors
    data_sets = {LEAN: Lean(images, labels)}
    if split.pixels is not None:
        pixels = np.ascontiguousarray(split.pixels.images.permute(0, 2, 3, 1).numpy())
        data_sets[USUAL] = Usual(pixels, labels)
    sensors = {f"IntegratedSensor, prefetch={n}": make_sensor(source, n) for n in (0, 2)}
    ways = {name: endless(loader(data_set)) for name, data_set in data_sets.items()} | {
        name: (lambda s=sensor: s.next_batch()[0]) for name, sensor in sensors.items()
    }
    for next_data in ways.values():  # start the workers, touch the memory
        measure(next_data, 0.5)
    rounds = [
        {name: measure(next_data, arguments.seconds) for name, next_data in ways.items()}
        for _ in range(arguments.rounds)
    ]
    for sensor in sensors.values():
        sensor.close()

    print(
        f"{source.label}, {len(images)} images, batches of {BATCH_SIZE};"
        f" torch {torch.__version__}, {torch.get_num_threads()} thread(s), {platform.machine()},"
        f" {os.cpu_count()} core(s), load {os.getloadavg()[0]:.1f}"
    )
    best = {name: max(one[name].per_s for one in rounds) for name in ways}
    lean = {
        name: sum(one[name].samples for one in rounds)
        / sum(one[name].processor_s for one in rounds)
        for name in ways
    }
    print(f"{'':32} {'samples/s':>12} {'x lean':>7} {'samples/processor s':>20} {'x lean':>7}")
    for name in ways:
        print(
            f"{name:32} {best[name]:12,.0f} {best[name] / best[LEAN]:7.1f}"
            f" {lean[name]:20,.0f} {lean[name] / lean[LEAN]:7.1f}"
        )
    reached = max(best[name] for name in sensors) / best[LEAN]
    saved = max(lean[name] for name in sensors) / lean[LEAN]
    print(
        f"target {TARGET:.0f} x the lean DataLoader:"
        f" {'reached' if reached >= TARGET else 'MISSED'}, {reached:.1f} x on the wall,"
        f" {saved:.1f} x for each processor second"
    )
    raise SystemExit(reached < TARGET)


if __name__ == "__main__":
    main()
