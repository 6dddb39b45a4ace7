"""How many samples a second: IntegratedSensor beside a DataLoader that does the same per sample.

Both flip, pad by 4 and crop 32 x 32 out of CIFAR-10's training images (or, where these are not on
this machine, out of synthetic ones of the same size), in batches of 128. The DataLoader has 2
workers that persist, the images in memory, and draws by Python's `random`, which is faster there
than torch. Many short rounds of both alternate and the best round of each counts: that is the one
in which other programs disturbed least. A DataLoader's three processes get three times the share of
a busy machine that one process gets, so the ratio of samples a second means something on a quiet
machine only; the samples for each second of processor time, workers included, are told beside it.

    AKID_DATA_PATH=... python benchmarks/sensor_throughput.py [--seconds 0.5] [--rounds 30]
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


class PerSample(Dataset):
    """What a plain program does: every image by itself."""

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
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()

    try:
        source = make_source()
        source.setup()
    except DataError as error:
        raise SystemExit(str(error)) from error
    images, labels = source.prepared("train").tensors
    loader = DataLoader(
        PerSample(images, labels), BATCH_SIZE, shuffle=True, num_workers=2, persistent_workers=True
    )
    sensors = {f"IntegratedSensor, prefetch={n}": make_sensor(source, n) for n in (0, 2)}
    ways = {"DataLoader, 2 workers": endless(loader)} | {
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
    base = best["DataLoader, 2 workers"]
    for name, rate in best.items():
        ratio = lean[name] / lean["DataLoader, 2 workers"]
        print(
            f"{name:32} {rate:12,.0f} samples/s {rate / base:6.1f} x"
            f" {lean[name]:12,.0f} samples per processor second {ratio:6.1f} x"
        )
    reached = max(best[name] for name in sensors) / base
    print(
        f"target {TARGET:.0f} x: {'reached' if reached >= TARGET else 'MISSED'} ({reached:.1f} x)"
    )
    raise SystemExit(reached < TARGET)


if __name__ == "__main__":
    main()
