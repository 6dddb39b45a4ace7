"""Data-parallel LeNet: two workers with a thread each, against one worker with one thread.

    AKID_DATA_PATH=... python benchmarks/scaling.py [--steps 60] [--rounds 5] [--batch 256]

Both are worker groups of engine "data_parallel" on one cluster, kept for all rounds; the rounds are
taken in turns (one worker, two workers, one worker, ...), so that whatever else the machine does
meets both. The batch is that of all workers together. Samples a second are the kid's own, of the
training steps alone; 1.0 is twice the speed of one worker. Written to benchmarks/reports/ with
--report.
"""

import argparse
import os
import platform
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from akid.cluster import connection
from akid.models.lenet import LeNet
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training import ray_group
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu
from akid.training.ray_group import WorkerGroup

LEAST = 0.85


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    speeds: dict[int, list[float]] = {1: [], 2: []}
    with (
        tempfile.TemporaryDirectory() as folder,
        connection.connect(num_cpus=3, num_gpus=0),
        ray_group.gathered(1, {"CPU": 1}) as one,
        ray_group.gathered(2, {"CPU": 1}) as two,
    ):
        for group in (one, two):  # the first practice of a process is a warm-up
            samples_per_s(group, 5, options.batch, Path(folder))
        for _ in range(options.rounds):
            for group in (one, two):
                speed = samples_per_s(group, options.steps, options.batch, Path(folder))
                speeds[group.num_workers].append(speed)
    of_ideal = [two_s / (2 * one_s) for one_s, two_s in zip(speeds[1], speeds[2], strict=True)]
    median = statistics.median(of_ideal)
    day = datetime.now(tz=UTC).date().isoformat()
    rows = "\n".join(
        f"| {number} | {one_s:.0f} | {two_s:.0f} | {ideal:.3f} |"
        for number, (one_s, two_s, ideal) in enumerate(
            zip(speeds[1], speeds[2], of_ideal, strict=True), start=1
        )
    )
    text = f"""# Scaling of data-parallel LeNet, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; MNIST, batches of
{options.batch} in all, {options.steps} steps a round, one thread in each worker, gloo.

| round | one worker, samples/s | two workers, samples/s | of the ideal |
|---:|---:|---:|---:|
{rows}

Median: {median:.3f} of the ideal. Required: {LEAST}. {"Reached." if median >= LEAST else "NOT reached."}
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-scaling.md").write_text(text)


if __name__ == "__main__":
    main()
