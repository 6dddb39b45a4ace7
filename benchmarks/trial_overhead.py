"""What a trial costs beside its training: akid's sweep beside bare Ray Tune and fresh processes.

All in one run on one machine, so that the ratios mean something:

    akid      a sweep of almost empty `setup`s, MLflow on; from the first trial's end to the last's
    (a)       bare Tune, a new process for each trial (class trainable, no reuse)
    (b)       bare Tune with reuse_actors and without its file loggers
    (c)       one fresh Python process per trial that imports torch, two at a time

Run: python benchmarks/trial_overhead.py [--trials 100] [--report benchmarks/reports]
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

EMPTY_EXPERIMENT = """
opt_paras_list = [{{"number": n}} for n in range({trials})]
gpu_num_per_instance = 0


def setup():
    from akid import Brain, InnerProductLayer, Kid, MomentumKongFu, SoftmaxWithLossLayer
    from akid.core.block import Block
    from akid import FeedSensor, DigitsFeedSource

    number = {{{{ opt_paras["number"] }}}}
    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{{"name": "ip1", "idxs": [0]}}, {{"name": "system_in", "idxs": [1]}}],
            name="loss",
        )
    )
    sensor = FeedSensor(source_in=DigitsFeedSource(name="Source"), batch_size=10, name="Sensor")
    return Kid(sensor, brain, MomentumKongFu(lr=0.01), max_steps=1, save_chk_point=False)
"""


def akid_sweep(trials: int, folder: Path) -> tuple[float, float]:
    """Return seconds per trial after the first ended, and the whole command's seconds."""
    file = folder / f"empty{trials}.py"
    file.write_text(EMPTY_EXPERIMENT.format(trials=trials))
    started_s = time.perf_counter()
    command = [sys.executable, "-m", "akid.sweep", str(file)]
    ends_s = []
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    ) as process:
        ends_s.extend(time.perf_counter() for line in process.stderr if " done" in line)
        code = process.wait()
    whole_s = time.perf_counter() - started_s
    assert code == 0, f"the sweep ended with exit code {code}"
    assert len(ends_s) >= trials, f"expected {trials} ends, saw {len(ends_s)}"
    return (ends_s[-1] - ends_s[0]) / (len(ends_s) - 1), whole_s


def bare_tune(trials: int, folder: Path, *, reuse: bool) -> float:
    """Return seconds per trial of a class trainable that does nothing."""
    from ray import tune

    class Nothing(tune.Trainable):
        def step(self) -> dict[str, object]:
            return {"metric": 1.0, "done": True}

        def reset_config(self, _: dict[str, object]) -> bool:
            return True

    tuner = tune.Tuner(
        tune.with_resources(Nothing, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(reuse_actors=reuse),
        run_config=tune.RunConfig(
            storage_path=str(folder),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    started_s = time.perf_counter()
    tuner.fit()
    return (time.perf_counter() - started_s) / trials


def fresh_processes(trials: int) -> float:
    """Return seconds per trial of a new Python process that imports torch, two at a time."""

    def run(_: int) -> None:
        subprocess.run([sys.executable, "-c", "import torch"], check=True)

    started_s = time.perf_counter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(run, range(trials)))
    return (time.perf_counter() - started_s) / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    few = max(4, options.trials // 10)  # of what takes a second or more each
    with tempfile.TemporaryDirectory() as folder:
        _, two_s = akid_sweep(2, Path(folder))
        akid_s, whole_s = akid_sweep(options.trials, Path(folder))
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        import logging

        import ray

        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        without_s = bare_tune(few, Path(folder), reuse=False)
        with_s = bare_tune(options.trials, Path(folder), reuse=True)
        ray.shutdown()
        fresh_s = fresh_processes(few)
    day = datetime.now(tz=UTC).date().isoformat()
    rows = [
        ("akid sweep, MLflow on, after the first trial", akid_s),
        ("akid, all included, beyond a sweep of two", (whole_s - two_s) / (options.trials - 2)),
        ("(a) bare Tune, a process for each trial", without_s),
        ("(b) bare Tune, reuse, no loggers, no tracking", with_s),
        ("(c) a fresh process with torch, two at a time", fresh_s),
    ]
    table = "\n".join(f"| {what} | {s:.3f} | {s / akid_s:.2f} |" for what, s in rows)
    text = f"""# Overhead of a trial, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {options.trials}
trials, {few} where each is a new process. The last column is the time relative to akid's.

| what | s per trial | relative |
|---|---:|---:|
{table}

The whole akid command, start and end of Ray included: {whole_s:.1f} s; for two trials: {two_s:.1f} s.
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-trial-overhead.md").write_text(text)


if __name__ == "__main__":
    main()
