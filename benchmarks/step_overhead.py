"""A training step of LeNet as akid blocks under a Kid, against the same in plain torch modules.

    AKID_DATA_PATH=... python benchmarks/step_overhead.py [--steps 300] [--threads 1] [--device cpu]

Both train on real MNIST (batches of 100, momentum, l2 on the weights) with the same torch optimiser
in one process, in turns: one step of the one, one step of the other. So whatever else the machine
does meets both. The Kid's steps include its loop, its hooks, its sensor and the check of each loss;
the plain loop takes its batches by `index_select` as well. Written to benchmarks/reports/.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from akid.models.lenet import LeNet
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu

BATCH_SIZE = 100
LR, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4
WARM_UP_STEPS = 20
PAIRS = (("0", "conv1"), ("3", "conv2"), ("7", "ip1"), ("9", "ip2"))


def plain_lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(5, 2, padding=1, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )


class PlainLoop:
    """The plain torch loop, a step at a time."""

    def __init__(self, data: Tensor, labels: Tensor, kid: Kid) -> None:
        self.net = plain_lenet().to(data.device)
        with torch.no_grad():
            for plain, ours in PAIRS:
                self.net.get_submodule(plain).weight.copy_(kid.brain[f"{ours}/weights"])
                self.net.get_submodule(plain).bias.copy_(kid.brain[f"{ours}/biases"])
        weights = [p for name, p in self.net.named_parameters() if name.endswith("weight")]
        biases = [p for name, p in self.net.named_parameters() if name.endswith("bias")]
        self.optimizer = torch.optim.SGD(
            [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": biases}],
            lr=LR,
            momentum=MOMENTUM,
            fused=True,
        )
        self.data, self.labels = data, labels
        self.order = torch.randperm(len(data), device=data.device)
        self.position = 0

    def step(self) -> None:
        if self.position >= len(self.data):
            self.order = torch.randperm(len(self.data), device=self.data.device)
            self.position = 0
        indices = self.order[self.position : self.position + BATCH_SIZE]
        self.position += BATCH_SIZE
        self.improve(self.data.index_select(0, indices), self.labels.index_select(0, indices))

    def improve(self, data: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.net(data), labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def make_kid(num_steps: int, device: str, folder: str) -> Kid:
    source = MNISTFeedSource(name="Source", center=True, scale=True)
    sensor = FeedSensor(source_in=source, batch_size=BATCH_SIZE, name="Sensor")
    kid = Kid(
        sensor,
        LeNet(name="Brain"),
        MomentumKongFu(name="Kongfu", lr=LR, momentum=MOMENTUM),
        max_steps=num_steps,
        skip_validation=True,
        save_chk_point=False,
        log_dir=folder,
        seed=0,
        device=device,
    )
    kid.setup()
    return kid


class Stopwatch:
    """Seconds of each step of both sides, on the wall and of this process's processor time."""

    def __init__(self, device: str) -> None:
        self.is_cuda = device.startswith("cuda")
        self.akid: list[tuple[float, float]] = []
        self.plain: list[tuple[float, float]] = []

    def now(self) -> tuple[float, float]:
        if self.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def since(self, start: tuple[float, float]) -> tuple[float, float]:
        end = self.now()
        return end[0] - start[0], end[1] - start[1]


def measure(kid: Kid, plain: PlainLoop, device: str) -> Stopwatch:
    """Let the kid practise; before each of its steps a plain one is made."""
    watch = Stopwatch(device)
    start: list[tuple[float, float]] = []

    def take_turns(_: Kid) -> None:
        if start:
            watch.akid.append(watch.since(start.pop()))
        begin = watch.now()
        plain.step()
        watch.plain.append(watch.since(begin))
        start.append(watch.now())

    kid.hooks.on_batch_begin.append(take_turns)
    kid.practice()
    return watch


def largest_difference(device: str, folder: str) -> float:
    """Return by how much the weights differ after five steps on the same batches."""
    kid = make_kid(5, device, folder)
    plain = PlainLoop(*kid.sensor.current_batch(), kid)
    kid.sensor.next_batch()
    kid.brain.train()
    for _ in range(5):
        batch = kid.sensor.next_batch()
        kid.engine.step(batch)
        plain.improve(*batch)
    differences = [
        (plain.net.get_submodule(name).weight - kid.brain[f"{ours}/weights"]).abs().max()
        for name, ours in PAIRS
    ]
    return float(max(difference.item() for difference in differences))


def lines_of(watch: Stopwatch, difference: float, title: str) -> list[str]:
    def median_ms(times: list[tuple[float, float]], which: int) -> float:
        return 1e3 * statistics.median(t[which] for t in times[WARM_UP_STEPS:])

    def ratio(which: int) -> float:
        pairs = zip(watch.akid[WARM_UP_STEPS:], watch.plain[WARM_UP_STEPS:], strict=False)
        return statistics.median(akid[which] / plain[which] for akid, plain in pairs)

    rows = [
        f"| {clock} | {median_ms(watch.akid, which):.3f} | {median_ms(watch.plain, which):.3f}"
        f" | {median_ms(watch.akid, which) / median_ms(watch.plain, which):.3f}"
        f" | {ratio(which):.3f} |"
        for which, clock in enumerate(("wall", "processor"))
    ]
    return [
        f"# {title}",
        "",
        "LeNet on MNIST, batches of 100, momentum, l2 on the weights; steps taken in turns.",
        "",
        (
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, torch {torch.__version__},"
            f" {platform.machine()}, {torch.get_num_threads()} thread(s),"
            f" {len(watch.akid) - WARM_UP_STEPS} steps each after {WARM_UP_STEPS} to warm up,"
            f" load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        ),
        f"- the weights of both differ by at most {difference:.1e} after five steps",
        "",
        "| time | akid, median ms | plain torch, median ms | ratio | median of the pairs' ratios |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def main(report: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        difference = largest_difference(arguments.device, folder)
        kid = make_kid(arguments.steps + WARM_UP_STEPS + 1, arguments.device, folder)
        data, labels = next(_all_of(kid.sensor))
        watch = measure(kid, PlainLoop(data, labels, kid), arguments.device)
    title = f"Overhead of a training step on {arguments.device}"
    text = "\n".join(lines_of(watch, difference, title))
    report(text)
    folder_of_reports = Path(__file__).parent / "reports"
    folder_of_reports.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d}-step-overhead-{arguments.device.replace(':', '')}.md"
    (folder_of_reports / name).write_text(text, encoding="utf-8")


def _all_of(sensor: FeedSensor):
    """Give the whole training split as one batch."""
    sensor.val_batch_size = sensor.num_samples("train")
    return sensor.epoch("train")


if __name__ == "__main__":
    main()
