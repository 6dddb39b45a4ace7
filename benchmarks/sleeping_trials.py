"""Many short trials on many logical CPUs: how far from the ideal time the scheduling is.

Each trial sleeps for a second, so that logical CPUs may be more than the machine has; the ideal is
trials / CPUs seconds. A worker's start costs processor time (it loads torch), which the logical
CPUs do not have, so three times are told: from the call, with all that starts before the first
trial; from the first trial's begin; and from the moment on when every CPU has had its first trial.
All end with the last trial. Bare Ray Tune with
reused actors stands beside it in the same run, twice: its trials load torch, as any training does,
and they load nothing. A store is written by akid alone.

Run: python benchmarks/sleeping_trials.py [--trials 500] [--cpus 32] [--report benchmarks/reports]
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from trial_overhead import EMPTY_EXPERIMENT

SLEEP_S = 1.0


def akid_times(trials: int, cpus: int, folder: Path) -> list[tuple[float, float]]:
    """Return begin and end of each trial, as the trials themselves saw them."""
    note = folder / "times"
    note.mkdir()
    text = EMPTY_EXPERIMENT.format(trials=trials).replace(
        "def setup():\n",
        "def setup():\n    import time\n    from pathlib import Path\n\n    began_s = time.time()\n",
    )
    text = text.replace(
        "    return Kid(",
        f"    time.sleep(max(0.0, {SLEEP_S} - (time.time() - began_s)))\n"
        f"    Path({str(note)!r}, str(number)).write_text(f'{{began_s}} {{time.time()}}')\n"
        "    return Kid(",
    )
    file = folder / "sleeping.py"
    file.write_text(text)
    command = [sys.executable, "-m", "akid.sweep", str(file), "--num-cpus", str(cpus)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return sorted(tuple(map(float, f.read_text().split())) for f in note.iterdir())


def tune_times(
    trials: int, cpus: int, folder: Path, *, loads_torch: bool
) -> list[tuple[float, float]]:
    """Return begin and end of each trial of bare Tune."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import logging

    import ray
    from ray import tune

    note = folder / f"tune_times_{loads_torch}"
    note.mkdir()

    class Sleeper(tune.Trainable):
        def setup(self, config: dict[str, object]) -> None:
            self.number = config["number"]

        def step(self) -> dict[str, object]:
            began_s = time.time()
            if loads_torch:
                import torch  # noqa: F401 (what it costs is asked)
            time.sleep(max(0.0, SLEEP_S - (time.time() - began_s)))
            (note / str(self.number)).write_text(f"{began_s} {time.time()}")
            return {"metric": 1.0, "done": True}

        def reset_config(self, config: dict[str, object]) -> bool:
            self.number = config["number"]
            return True

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tune.Tuner(
        tune.with_resources(Sleeper, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(
            storage_path=str(folder),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    ray.shutdown()
    return sorted(tuple(map(float, f.read_text().split())) for f in note.iterdir())


def ratios(
    called_s: float, times: Sequence[tuple[float, float]], cpus: int
) -> tuple[float, float, float]:
    """Return the three times over their ideal ones."""
    first_s, last_s = times[0][0], max(end for _, end in times)
    ideal_s = len(times) / cpus * SLEEP_S
    all_begun_s = times[cpus - 1][0]
    # What is left then: whole trials, and the rests of those that are under way.
    left_s = sum(min(SLEEP_S, max(0.0, begin + SLEEP_S - all_begun_s)) for begin, _ in times)
    return (
        (last_s - called_s) / ideal_s,
        (last_s - first_s) / ideal_s,
        (last_s - all_begun_s) / (left_s / cpus),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--cpus", type=int, default=32)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, trials, cpus = Path(place), options.trials, options.cpus
        akid = ratios(time.time(), akid_times(trials, cpus, folder), cpus)
        torch = ratios(time.time(), tune_times(trials, cpus, folder, loads_torch=True), cpus)
        bare = ratios(time.time(), tune_times(trials, cpus, folder, loads_torch=False), cpus)
    day = datetime.now(tz=UTC).date().isoformat()
    text = f"""# {options.trials} trials of {SLEEP_S:g} s on {options.cpus} logical CPUs, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}. Time over the ideal
one, {options.trials / options.cpus * SLEEP_S:.1f} s in all. All workers start on {os.cpu_count()} real cores.

| | from the call | from the first begin | once every CPU had a trial | target |
|---|---:|---:|---:|---:|
| akid, MLflow on | {akid[0]:.2f} | {akid[1]:.2f} | {akid[2]:.2f} | 1.10 |
| bare Ray Tune, reuse, no tracking, trials load torch | {torch[0]:.2f} | {torch[1]:.2f} | {torch[2]:.2f} | |
| the same, trials load nothing | {bare[0]:.2f} | {bare[1]:.2f} | {bare[2]:.2f} | |
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-sleeping-trials-{cpus}-cpus.md").write_text(text)


if __name__ == "__main__":
    main()
