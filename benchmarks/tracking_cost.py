"""What tracking costs: the processor time of the driver's writer thread, for trials in real time.

So many trials at once tell the writer what trials do: a start, a row of metrics for each epoch,
artifacts and an end. The writer's thread tells MLflow. Its processor time is set against the time
that the trials take.

Run: python benchmarks/tracking_cost.py [--trials 200] [--seconds 10] [--report benchmarks/reports]
"""

import argparse
import os
import platform
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from akid.testing.tracker_contract import make_trial
from akid.tuning import provenance
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.spool import Spool, SpoolHead
from akid.tuning.tracking import TrialEnd
from akid.tuning.tracking_writer import TrackingWriter

EPOCHS = 20
METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "samples_per_s")
NAME = "cost"


def practise(writer: TrackingWriter, index: int, seconds: float) -> None:
    """Tell the writer what a trial tells it."""
    trial = make_trial(index, net_paras={"width": index, "act": {"type": "relu"}, "bn": True})
    writer.start_trial(trial, tags=provenance.tags(None))
    writer.set_tags(index, provenance.worker_tags())
    for epoch in range(1, EPOCHS + 1):
        time.sleep(seconds / EPOCHS)
        row = {"step": epoch * 100, "time_s": time.time(), "epoch": epoch}
        writer.log_rows(index, [{**row, **dict.fromkeys(METRICS, 1 / epoch)}])
    writer.log_files(index, texts={"trial.py": trial.source, "training.log": "text\n" * 100})
    summary = {f"best/{name}": 0.5 for name in METRICS}
    writer.end_trial(index, TrialEnd(status="FINISHED", summary=summary))


def run(trials: int, seconds: float, at_once: int, folder: Path) -> float:
    """Return the writer's processor seconds."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    tracker = MlflowTracker(uri, NAME)
    head = SpoolHead(uri=uri, experiment=NAME, sweep=tracker.start_sweep("sweep", tags={}))
    writer = TrackingWriter(tracker, spool=Spool(head.file(folder), head))
    (thread,) = [t for t in threading.enumerate() if t.name == "akid tracking"]
    clock = time.pthread_getcpuclockid(thread.ident)
    waiting = iter(range(trials))
    lock = threading.Lock()

    def go() -> None:
        while True:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            practise(writer, index, seconds)

    lanes = [threading.Thread(target=go) for _ in range(at_once)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    time.sleep(5.0)  # the writer's last batch; its clock ends with it
    used_s = time.clock_gettime(clock)
    assert writer.close() == []
    known = tracker.known_runs()
    assert len(known) == trials
    assert all(run.status == "FINISHED" for run in known)
    return used_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        used_s = run(options.trials, options.seconds, options.at_once, Path(folder))
    trial_s = used_s / options.trials
    day = datetime.now(tz=UTC).date().isoformat()
    text = f"""# What tracking costs, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; SQLite.
{options.trials} trials of {options.seconds:g} s, {options.at_once} at once, {EPOCHS} epochs,
{len(METRICS) + 1} metrics.

| what | measured | target |
|---|---:|---:|
| processor time of the writer's thread, s per trial | {trial_s:.3f} | |
| the same as a part of a trial's time | {trial_s / options.seconds:.1%} | 2 % |
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-tracking-cost.md").write_text(text)


if __name__ == "__main__":
    main()
