"""The MLflow reader: what a store has of the trials that ran."""

from typing import TYPE_CHECKING

from akid.tuning.plan import KnownRun
from akid.tuning.tracking import Metrics

if TYPE_CHECKING:
    from mlflow.entities import Run


def known_run(run: "Run") -> KnownRun:
    """Return what a trial's run says of it."""
    tags, info = run.data.tags, run.info
    metrics = dict(run.data.metrics)
    duration_s = metrics.pop("duration_s", None)
    return KnownRun(
        key=tags.get("akid.key", ""),
        run_id=info.run_id,
        status=tags.get("akid.status", info.status) if info.status != "FINISHED" else "FINISHED",
        cell_key=tags.get("akid.cell_key", ""),
        source_key=tags.get("akid.source_key", ""),
        seed=int(tags["akid.seed"]) if "akid.seed" in tags else None,
        started_s=(info.start_time or 0) / 1000,
        folder=tags.get("akid.folder", ""),
        final={name: value for name, value in metrics.items() if "/" not in name},
        best=_below("best/", metrics),
        test={f"test_{name}": value for name, value in _below("test/", metrics).items()},
        error=tags.get("akid.error"),
        duration_s=duration_s,
    )


def _below(prefix: str, metrics: Metrics) -> dict[str, float]:
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}
