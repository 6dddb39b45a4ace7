"""Data-parallel LeNet: two workers with a thread each, against one worker with one thread.

    AKID_DATA_PATH=... python benchmarks/scaling.py [--steps 60] [--rounds 5] [--batch 512]

All are on one cluster without a dashboard, taken in turns in each round, so that whatever else the
machine does meets all of them:

    one worker     engine "data_parallel" on a group that is kept for all rounds
    two workers    the same
    two apart      two such workers that do not know each other, with half a batch each: what two
                   cores give here without any sending, as they share caches and memory
    bare Ray Train plain torch modules under DDP in a `TorchTrainer`, with one and with two workers

The batch is that of all workers together; what is sent in a step does not grow with it. Samples a
second are those of the training steps alone; 1.0 is twice the speed of one worker. Written to
benchmarks/reports/ with --report.
"""

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import ray
import step_overhead
from ray import cloudpickle
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model

from akid.models.lenet import LeNet
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training import ray_group
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu
from akid.training.ray_group import WorkerGroup

LEAST = 0.85
WARM_UP_STEPS = 5


def samples_per_s(group: WorkerGroup, steps: int, batch: int, folder: Path) -> float:
    """Practise on the group, and return how many samples it took a second."""
    source = MNISTFeedSource(name="Source", center=True, scale=True, num_train=50000, num_val=10000)
    kid = Kid(
        FeedSensor(source, batch_size=batch, name="Sensor"),
        LeNet(name="LeNet"),
        MomentumKongFu(lr=0.01),
        engine={"name": "data_parallel", "num_gpu": group.num_workers, "device": "cpu"},
        max_steps=steps,
        train_log_step=steps,
        save_chk_point=False,
        skip_validation=True,
        log_to_file=False,
        log_dir=folder,
    )
    with group.at_hand():
        return kid.practice().samples_per_s


def apart(groups: list[WorkerGroup], steps: int, batch: int, folder: Path) -> float:
    """Practise on all groups at once, each with its part of the batch; return their sum."""
    with ThreadPoolExecutor(len(groups)) as pool:
        speeds = [
            pool.submit(samples_per_s, group, steps, batch // len(groups), folder / str(number))
            for number, group in enumerate(groups)
        ]
        return sum(speed.result() for speed in speeds)


def bare_samples_per_s(num_workers: int, steps: int, batch: int, folder: Path) -> float:
    """Train plain torch modules under DDP in Ray Train; return how many samples it took a second."""

    def train() -> float:
        import time

        import torch
        from torch import distributed

        torch.set_num_threads(1)
        net = prepare_model(step_overhead.plain_lenet())
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        images = torch.rand(batch // num_workers, 1, 28, 28)
        labels = torch.randint(0, 10, (batch // num_workers,))
        for step in range(WARM_UP_STEPS + steps):
            if step == WARM_UP_STEPS:
                distributed.barrier()
                began_s = time.perf_counter()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
        return steps * batch / (time.perf_counter() - began_s)

    trainer = TorchTrainer(
        train,
        scaling_config=ScalingConfig(num_workers=num_workers, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(storage_path=str(folder)),
    )
    return float(trainer.fit().return_value)


@contextmanager
def bare_cluster(num_cpus: int) -> Iterator[None]:
    """Start Ray without its dashboard.

    Both cores train, in lockstep: what Ray does besides on either of them delays the other, too.
    """
    ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


@dataclass
class Speeds:
    """Samples a second, by round."""

    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    bare_one: list[float] = field(default_factory=list)
    bare_two: list[float] = field(default_factory=list)

    def of_ideal(self) -> list[tuple[float, float, float]]:
        """Return what two workers reach, two apart, and two of bare Ray Train, by round."""
        rounds = zip(self.one, self.two, self.apart, self.bare_one, self.bare_two, strict=True)
        return [
            (two / (2 * one), apart / (2 * one), bare_two / (2 * bare_one))
            for one, two, apart, bare_one, bare_two in rounds
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    steps, batch, speeds = options.steps, options.batch, Speeds()
    cloudpickle.register_pickle_by_value(step_overhead)
    with (
        tempfile.TemporaryDirectory() as place,
        bare_cluster(num_cpus=6),
        ray_group.gathered(1, {"CPU": 1}) as one,
        ray_group.gathered(1, {"CPU": 1}) as other,
        ray_group.gathered(2, {"CPU": 1}) as two,
    ):
        folder = Path(place)
        for group in (one, other, two):  # the first practice of a process is a warm-up
            samples_per_s(group, WARM_UP_STEPS, batch, folder)
        for _ in range(options.rounds):
            speeds.one.append(samples_per_s(one, steps, batch, folder))
            speeds.two.append(samples_per_s(two, steps, batch, folder))
            speeds.apart.append(apart([one, other], steps, batch, folder))
            speeds.bare_one.append(bare_samples_per_s(1, steps, batch, folder))
            speeds.bare_two.append(bare_samples_per_s(2, steps, batch, folder))
    report(speeds, steps, batch, options.report)


def report(speeds: Speeds, steps: int, batch: int, folder: Path | None) -> None:
    """Print what was measured, and write it to a folder, if one is given."""
    day = datetime.now(tz=UTC).date().isoformat()
    rows = "\n".join(
        f"| {number} | {one:.0f} | {two:.0f} | {ideal:.3f} | {ceiling:.3f} | {bare:.3f} |"
        for number, (one, two, (ideal, ceiling, bare)) in enumerate(
            zip(speeds.one, speeds.two, speeds.of_ideal(), strict=True), start=1
        )
    )
    ideal, ceiling, bare = (
        statistics.median(column) for column in zip(*speeds.of_ideal(), strict=True)
    )
    text = f"""# Scaling of data-parallel LeNet, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; MNIST, batches of
{batch} in all, {steps} steps a round, one thread in each worker, gloo; Ray without its dashboard.

| round | one worker, samples/s | two workers, samples/s | of the ideal | two apart, of the ideal | bare Ray Train with DDP, of its own ideal |
|---:|---:|---:|---:|---:|---:|
{rows}
| median | | | {ideal:.3f} | {ceiling:.3f} | {bare:.3f} |

Required: {LEAST} of the ideal. {"Reached." if ideal >= LEAST else "NOT reached."} Of what two cores give here without
sending anything: {ideal / ceiling:.3f}.
"""
    print(text)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{day}-scaling-batch-{batch}.md").write_text(text)


if __name__ == "__main__":
    main()
