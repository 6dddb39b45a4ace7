"""A sweep of very many almost empty trials: seconds each, the driver's memory, and what MLflow has.

The driver's resident memory is read from /proc while it runs; its growth is counted from the first
trial's end on, when all that it needs is loaded. Afterwards each trial must be in MLflow once,
finished, with its metrics.

Run: python benchmarks/many_trials.py [--trials 1000] [--report benchmarks/reports]
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trial_overhead import EMPTY_EXPERIMENT

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a sweep went.

    Attributes:
        trial_s: Seconds for a trial, from the first trial's end to the last's.
        first_bytes: The driver's memory when the first trial ended.
        peak_bytes: The most that it took from then on.
    """

    trial_s: float
    first_bytes: int
    peak_bytes: int


def sweep(file: Path, folder: Path, uri: str) -> Course:
    """Run a sweep and watch its driver."""
    command = [sys.executable, "-m", "akid.sweep", str(file), "--tracking-uri", uri]
    ends_s: list[float] = []
    resident: list[int] = []
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    ) as process:
        for line in process.stderr:
            if " done" in line:
                ends_s.append(time.perf_counter())
                resident.append(_resident_bytes(process.pid))
        code = process.wait()
    assert code == 0, f"the sweep ended with exit code {code}"
    return Course(
        trial_s=(ends_s[-1] - ends_s[0]) / (len(ends_s) - 1),
        first_bytes=resident[0],
        peak_bytes=max(resident),
    )


def check_complete(uri: str, trials: int) -> None:
    """Assert that MLflow has each trial once, finished, with metrics and artifacts."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (experiment,) = [e for e in client.search_experiments() if e.name.startswith("empty")]
    found, token = [], None
    while True:
        page = client.search_runs(
            [experiment.experiment_id],
            filter_string="tags.`akid.kind` = 'trial'",
            page_token=token,
        )
        found.extend(page)
        token = page.token
        if not token:
            break
    assert {run.info.status for run in found} == {"FINISHED"}
    assert sorted(int(run.data.tags["akid.index"]) for run in found) == list(range(trials))
    assert all("val_loss" in run.data.metrics for run in found)


def _resident_bytes(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / f"empty{options.trials}.py"
        file.write_text(EMPTY_EXPERIMENT.format(trials=options.trials))
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        course = sweep(file, folder, uri)
        check_complete(uri, options.trials)
    day = datetime.now(tz=UTC).date().isoformat()
    grown_mib = (course.peak_bytes - course.first_bytes) / MIB
    text = f"""# {options.trials} almost empty trials, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; SQLite.
MLflow has each trial once, finished, with its metrics.

| what | measured | target |
|---|---:|---:|
| s per trial, after the first | {course.trial_s:.3f} | 0.1 |
| driver's memory at the first trial's end, MiB | {course.first_bytes / MIB:.0f} | |
| growth of the driver's memory, MiB | {grown_mib:.0f} | 200 |
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-many-trials.md").write_text(text)


if __name__ == "__main__":
    main()
