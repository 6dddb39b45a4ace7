"""How long it takes to decide what is missing against an MLflow store that knows many runs.

The store is filled by SQL with what akid itself writes of a trial: parameters, tags, and the last
values of its metrics (the rest of the history is not read). Then an experiment whose cells are all
known is planned as `akid.sweep` plans it, without the import of MLflow.

Run: python benchmarks/known_runs.py [--runs 10000] [--report benchmarks/reports]
"""

import argparse
import os
import platform
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from akid.cluster.resources import ResourceRequest
from akid.tuning import plan as planning
from akid.tuning.experiment import Experiment
from akid.tuning.mlflow_tracker import MlflowTracker
from akid.tuning.template import Template
from akid.tuning.tracking import TrialEnd, TrialStart
from akid.tuning.trial import Trial, make_trials

NAME = "many"
METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "epoch")


def experiment(cells: int) -> Experiment:
    """Return an experiment of so many cells, ten networks each with so many rates."""
    return Experiment(
        name=NAME,
        template=Template(
            "def setup():\n    return {{ net_paras['width'] }}, {{ opt_paras['lr'] }}\n", "many.py"
        ),
        net_paras_list=[
            {"width": n, "act": {"type": "relu", "slope": 0.1}, "bn": True} for n in range(10)
        ],
        opt_paras_list=[{"lr": (n + 1) / 1e4, "momentum": 0.9} for n in range(cells // 10)],
    )


def fill(uri: str, trials: list[Trial]) -> None:
    """Track the first trial, and copy its run for all others."""
    tracker = MlflowTracker(uri, NAME)
    parent = tracker.start_sweep("sweep", tags={})
    tags = {f"akid.version.{n}": "1.2.3" for n in ("python", "akid", "torch", "ray", "mlflow")}
    start = TrialStart.of(trials[0], tags=tags)
    run_id = tracker.start_trial(start, parent_id=parent)
    tracker.log_rows(run_id, [{"step": 1, "time_s": 1.0, **dict.fromkeys(METRICS, 0.5)}])
    summary = {f"best/{name}": 0.5 for name in METRICS} | {f"test/{n}": 0.5 for n in METRICS[:2]}
    tracker.end_trial(run_id, TrialEnd(status="FINISHED", summary={**summary, "duration_s": 1.0}))
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        for trial in trials[1:]:
            _copy(store, run_id, trial)
    store.close()


def _copy(store: sqlite3.Connection, run_id: str, trial: Trial) -> None:
    new_id = f"{trial.index:032x}"
    for table, key in (
        ("runs", "run_uuid"),
        ("params", "run_uuid"),
        ("tags", "run_uuid"),
        ("latest_metrics", "run_uuid"),
    ):
        columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
        taken = ", ".join(f"'{new_id}'" if name == key else name for name in columns)
        store.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} WHERE {key}=?",
            (run_id,),
        )
    for name, text in (("akid.key", trial.key), ("akid.cell_key", trial.cell_key)):
        store.execute("UPDATE tags SET value=? WHERE run_uuid=? AND key=?", (text, new_id, name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    described = experiment(options.runs)
    requests = [ResourceRequest()] * described.n_instances
    trials = make_trials(described, requests)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        fill(uri, trials)
        tracker = MlflowTracker(uri, NAME, create=False)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        known = planning.by_key(tracker.known_runs())
        read_s = time.perf_counter() - started_s
        plan = planning.make_plan(described, requests, known)
        whole_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    assert not plan.to_run, f"{len(plan.to_run)} of the known trials would run again"
    day = datetime.now(tz=UTC).date().isoformat()
    text = f"""# Deciding what is missing against {options.runs} known runs, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, SQLite.

| what | s | target |
|---|---:|---:|
| reading the runs | {read_s:.1f} | |
| reading them and planning {described.n_instances} cells | {whole_s:.1f} | 10 |
| of which processor time | {cpu_s:.1f} | |
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-known-runs.md").write_text(text)


if __name__ == "__main__":
    main()
