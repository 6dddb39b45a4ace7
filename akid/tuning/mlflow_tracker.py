"""The MLflow tracker: a sweep is a parent run, a trial a child run.

Names in a trial's run: parameters `net.*`, `opt.*`, `repeat`, `seed`; metrics by step as the kid
records them, and at the end `best/*` and `test/*`; tags `akid.*` with its key, status and origin.
(MLflow documentation, "Tracking" and "Parent and child runs".)
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.cluster import temporary
from akid.errors import RefusedError, TrackingError
from akid.tuning.garbage import garbage_kept
from akid.tuning.mlflow_reader import known_run
from akid.tuning.mlflow_store import may_exist, open_client, sqlite_file, translated
from akid.tuning.plan import KnownRun
from akid.tuning.storable import all_storable, storable
from akid.tuning.tracking import (
    END_TAGS,
    RESUMED_TAG,
    WHEN,
    Metrics,
    OpenRun,
    Tracker,
    TrialEnd,
    TrialStart,
)

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run, RunTag

# The page of the experiment then opens on its runs, not on traces of language models.
_EXPERIMENT_TAGS: Final = {"mlflow.experimentKind": "custom_model_development"}
_BATCH_METRICS: Final = 1000  # limits of one call, MLflow REST API, "Log Batch"
_BATCH_PARAMS: Final = 100
_PAGE_RUNS: Final = 1000
_PARENT: Final = "mlflow.parentRunId"
_MLFLOW_STATUS: Final = {
    "FINISHED": "FINISHED",
    "KILLED": "KILLED",
    "STOPPED": "KILLED",
    "RUNNING": "RUNNING",
}


class MlflowTracker(Tracker):
    """Keeps runs in an MLflow store.

    Args:
        uri: A tracking URI: `sqlite:///mlflow.db`, `http://host:5000`, ...
        experiment: The name of the MLflow experiment; made if it is new.
        create: Whether to make store and experiment where they are missing; without it a missing
            one is an empty one.

    Raises:
        TrackingError: If the store can't be opened.
    """

    def __init__(self, uri: str, experiment: str, *, create: bool = True) -> None:
        self.uri = uri
        self._experiment_id: str | None = None
        self._known_steps: dict[str, dict[str, int]] = {}
        if not create and not may_exist(uri):
            return
        self._client = open_client(uri, for_writing=create)
        with translated(f"open the experiment {experiment!r} in {uri!r}"):
            self._experiment_id = self._find(experiment, create=create)

    def _find(self, name: str, *, create: bool) -> str | None:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            if not create:
                return None
            found = self._create_experiment(name)
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"MlflowTracker: expected an active experiment, got {name!r}, which is deleted in"
                f" {self.uri}. Restore it (mlflow experiments restore -x {found.experiment_id}),"
                " or use --name."
            )
        return str(found.experiment_id)

    def _create_experiment(self, name: str) -> "Experiment":
        try:
            self._client.create_experiment(
                name, _artifact_location(self.uri, name), tags=_EXPERIMENT_TAGS
            )
        except Exception:
            made = self._client.get_experiment_by_name(name)
            if made is None:  # no other sweep has been faster
                raise
            return made
        return self._client.get_experiment_by_name(name)

    @property
    def experiment_id(self) -> str:
        """The MLflow experiment's id."""
        assert self._experiment_id is not None, "a tracker that writes has an experiment"
        return self._experiment_id

    def known_runs(self) -> list[KnownRun]:
        return [known_run(run) for run in self._search("tags.`akid.kind` = 'trial'")]

    def open_runs(self) -> list[OpenRun]:
        running = self._search("attributes.status = 'RUNNING'")
        return [OpenRun(run_id=run.info.run_id, tags=run.data.tags) for run in running]

    def closed_sweeps(self) -> frozenset[str]:
        sweeps = self._search("tags.`akid.kind` = 'sweep'")
        return frozenset(run.info.run_id for run in sweeps if run.info.status != "RUNNING")

    def has_run(self, run_id: str) -> bool:
        if self._experiment_id is None:
            return False
        try:
            with translated(f"look for run {run_id} in {self.uri!r}"):
                self._client.get_run(run_id)
        except RefusedError:
            return False
        return True

    def find_trials(self, parent_id: str, index: int) -> list[str]:
        found = self._search(f"tags.`{_PARENT}` = '{parent_id}' and tags.`akid.index` = '{index}'")
        return [run.info.run_id for run in reversed(list(found))]

    def start_sweep(self, name: str, *, tags: Mapping[str, str]) -> str:
        with translated(f"open a run in {self.uri!r}"):
            run = self._client.create_run(
                self.experiment_id,
                tags={**all_storable(tags), "akid.kind": "sweep"},
                run_name=storable(name),
            )
        run_id: str = run.info.run_id
        return run_id

    def start_trial(self, start: TrialStart, *, parent_id: str, run_id: str | None = None) -> str:
        from mlflow.entities import Param

        if start.goes_on is not None:
            resumed = {RESUMED_TAG: f"{start.started_s:.3f}", _PARENT: parent_id}
            run_id = self._reopen(start.goes_on, tags={**start.tags, **resumed})
        with translated(f"open the run of trial {start.label!r} in {self.uri!r}"):
            run_id = run_id or self._create(start, parent_id)
            params = [Param(n, text) for n, text in all_storable(start.params).items()]
            for first in range(0, len(params), _BATCH_PARAMS):
                self._client.log_batch(run_id, params=params[first : first + _BATCH_PARAMS])
        return run_id

    def _reopen(self, run_id: str, *, tags: Mapping[str, str]) -> str:
        """Let a run that broke off go on, as if it had not, and remember which steps it has.

        Where it is this sweep's and has ended, this is told again.
        """
        with translated(f"go on with run {run_id} in {self.uri!r}"):
            run = self._client.get_run(run_id)
            if run.info.status == "RUNNING" or run.data.tags.get(_PARENT) != tags[_PARENT]:
                self._client.update_run(run_id, status="RUNNING")
                self._client.log_batch(run_id, tags=_run_tags(tags))
                for name in END_TAGS & run.data.tags.keys():
                    self._client.delete_tag(run_id, name)
            self._known_steps[run_id] = {
                name: max(point.step for point in self._client.get_metric_history(run_id, name))
                for name in run.data.metrics
            }
        return run_id

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        from mlflow.entities import Metric

        steps = dict(self._known_steps.get(run_id, {}))
        metrics = []
        for row in rows:
            step, time_ms = int(row["step"]), int(row["time_s"] * 1000)
            for name, value in row.items():
                if name not in WHEN and step > steps.get(name, -1):
                    metrics.append(Metric(name, float(value), time_ms, step))
                    steps[name] = step
        with translated(f"write metrics of run {run_id} to {self.uri!r}"):
            for first in range(0, len(metrics), _BATCH_METRICS):
                self._client.log_batch(run_id, metrics=metrics[first : first + _BATCH_METRICS])
        self._known_steps[run_id] = steps

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with translated(f"write tags of run {run_id} to {self.uri!r}"):
            self._client.log_batch(run_id, tags=_run_tags(tags))

    def log_files(
        self, run_id: str, *, files: Mapping[str, Path], texts: Mapping[str, str]
    ) -> None:
        """Log all files of a run by one call: each call asks the store where the artifacts lie."""
        with (
            translated(f"write artifacts of run {run_id} to {self.uri!r}"),
            temporary.folder("artifacts") as folder,
        ):
            for name, text in all_storable(texts).items():
                (folder / name).write_text(text, encoding="utf-8")
            for name, file in files.items():
                if file.is_file():
                    (folder / name).symlink_to(file.resolve())
            self._client.log_artifacts(run_id, str(folder))

    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        tags = {**end.tags, "akid.status": end.status}
        self._close(run_id, end.status, summary=end.summary, tags=tags, ended_s=end.ended_s)
        self._known_steps.pop(run_id, None)

    def end_sweep(self, run_id: str, *, status: str, summary: Metrics, ended_s: float) -> None:
        self._close(run_id, status, summary=summary, tags={}, ended_s=ended_s)

    def delete_run(self, run_id: str) -> None:
        with translated(f"delete run {run_id} of {self.uri!r}"):
            self._client.delete_run(run_id)

    def _create(self, start: TrialStart, parent_id: str) -> str:
        run = self._client.create_run(
            self.experiment_id,
            start_time=int(start.started_s * 1000),
            tags={**all_storable(start.tags), _PARENT: parent_id},
            run_name=storable(start.label),
        )
        run_id: str = run.info.run_id
        return run_id

    def _close(
        self, run_id: str, status: str, *, summary: Metrics, tags: Mapping[str, str], ended_s: float
    ) -> None:
        from mlflow.entities import Metric

        ended_ms = int(ended_s * 1000)
        metrics = [Metric(name, float(value), ended_ms, 0) for name, value in summary.items()]
        with translated(f"close run {run_id} in {self.uri!r}"):
            self._client.log_batch(run_id, metrics=metrics, tags=_run_tags(tags))
            self._client.set_terminated(
                run_id, _MLFLOW_STATUS.get(status, "FAILED"), end_time=ended_ms
            )

    def _search(self, condition: str) -> "Iterator[Run]":
        """Yield the runs of the experiment for which a condition holds, newest first."""
        token: str | None = None
        while self._experiment_id is not None:
            with translated(f"read the runs in {self.uri!r}"), garbage_kept():
                page = self._client.search_runs(
                    [self._experiment_id],
                    filter_string=condition,
                    max_results=_PAGE_RUNS,
                    page_token=token,
                )
            yield from page
            token = page.token
            if not token:
                return


def _run_tags(tags: Mapping[str, str]) -> "list[RunTag]":
    from mlflow.entities import RunTag

    return [RunTag(name, text) for name, text in all_storable(tags).items()]


def _artifact_location(uri: str, name: str) -> str | None:
    """Keep artifacts beside a SQLite store; a server knows its own place."""
    file = sqlite_file(uri)
    if file is None:
        return None
    return (file.parent.resolve() / "mlruns" / name).as_uri()
