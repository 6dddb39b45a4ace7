"""How soon a trial on two workers begins: on a group that is kept, and on one of Ray Train's own.

All in one run, on one cluster:

    akid      a sweep of almost empty trials on two workers; from the end of a trial (its last hook) to
              the first forward pass of the next one, on the group that the first trial has started
    first     the same sweep's first trial, from the call of the sweep: its group is started
    (a)       `TorchTrainer(num_workers=2).fit()` inside of an actor, as a trial would nest it; from the
              call to the first line of the training function, and to its return

Run: python benchmarks/warm_groups.py [--trials 10] [--fits 3] [--report benchmarks/reports]
"""

import argparse
import contextlib
import io
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

LIMIT_S = 0.5

EXPERIMENT = """
opt_paras_list = [{{"number": n}} for n in range({trials})]
gpu_num_per_instance = 0


def setup():
    import time
    from pathlib import Path

    from torch import distributed

    from akid import Brain, DigitsFeedSource, FeedSensor, InnerProductLayer, Kid
    from akid import MomentumKongFu, SoftmaxWithLossLayer
    from akid.layers.activation import ReLULayer

    folder = Path({folder!r})
    number = {{{{ opt_paras["number"] }}}}

    class Witness(ReLULayer):
        def forward(self, inputs):
            begun = folder / f"begin{{number}}"
            if distributed.is_initialized() and distributed.get_rank() == 0 and not begun.exists():
                begun.write_text(repr(time.time()))
            return super().forward(inputs)

    def note_end(kid):
        (folder / f"end{{number}}").write_text(repr(time.time()))

    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"), Witness(name="witness"))
    inputs = [{{"name": "witness"}}, {{"name": "system_in", "idxs": [1]}}]
    brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))
    sensor = FeedSensor(DigitsFeedSource(name="Source"), batch_size=20, name="Sensor")
    kid = Kid(
        sensor,
        brain,
        MomentumKongFu(lr=0.01),
        engine={{"name": "data_parallel", "num_gpu": 2}},
        max_steps=2,
        save_chk_point=False,
        skip_validation=True,
    )
    kid.hooks.on_train_end.append(note_end)
    return kid
"""


def sweep(trials: int, folder: Path) -> tuple[float, list[float]]:
    """Return the seconds until the first trial has begun, and from each trial's end to the next."""
    from akid.sweep import main

    file = folder / "warm.py"
    file.write_text(EXPERIMENT.format(trials=trials, folder=str(folder)))
    places = ["--tracking-uri", f"sqlite:///{folder / 'mlflow.db'}", "--work-dir", str(folder)]
    started_s = time.time()
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = main([str(file), *places])
    assert code == 0, told.getvalue()
    begins = sorted(float(path.read_text()) for path in folder.glob("begin*"))
    ends = sorted(float(path.read_text()) for path in folder.glob("end*"))
    assert len(begins) == len(ends) == trials
    gaps = [begin - end for begin, end in zip(begins[1:], ends, strict=False)]
    return begins[0] - started_s, gaps


class Nest:
    """An actor in which a group of Ray Train's own is started."""

    def fit(self, folder: str) -> tuple[float, float]:
        """Return the seconds until the training function begins, and until all is over."""
        from ray.train import RunConfig, ScalingConfig, get_context
        from ray.train.torch import TorchTrainer

        begun = Path(folder, f"fit{time.time()}.begun")

        def train() -> None:
            if get_context().get_world_rank() == 0:
                begun.write_text(repr(time.time()))

        started_s = time.time()
        TorchTrainer(
            train,
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(name=begun.stem, storage_path=folder),
        ).fit()
        return float(begun.read_text()) - started_s, time.time() - started_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--fits", type=int, default=3)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    from akid.cluster import connection

    with tempfile.TemporaryDirectory() as folder, connection.connect(num_cpus=2, num_gpus=0):
        import ray

        first_s, gaps_s = sweep(options.trials, Path(folder))
        nest = ray.remote(Nest).options(num_cpus=0).remote()
        fits = [ray.get(nest.fit.remote(folder)) for _ in range(options.fits)]
    warm_s = statistics.median(gaps_s)
    rows = [
        ("akid, warm group: end of a trial to the next one's first pass, median", warm_s),
        ("akid, warm group: the slowest", max(gaps_s)),
        ("akid, the first trial: from the sweep's call, the group is started", first_s),
        ("(a) nested TorchTrainer.fit(), to its function's first line, median",
         statistics.median(fit[0] for fit in fits)),
        ("(a) nested TorchTrainer.fit(), whole, median", statistics.median(fit[1] for fit in fits)),
    ]  # fmt: skip
    table = "\n".join(f"| {what} | {s:.3f} | {s / warm_s:.1f} |" for what, s in rows)
    day = datetime.now(tz=UTC).date().isoformat()
    text = f"""# Warm worker groups, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {options.trials}
trials on two workers of one CPU each, {options.fits} nested fits with Ray Train's health checks every
{os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"]} s. The last column is relative to akid's warm start.

| what | s | relative |
|---|---:|---:|
{table}

Allowed: {LIMIT_S} s for a warm start. {"Kept." if warm_s <= LIMIT_S else "NOT kept."}
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-warm-groups.md").write_text(text)


if __name__ == "__main__":
    main()
