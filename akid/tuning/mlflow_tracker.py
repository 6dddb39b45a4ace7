"""The MLflow tracker: a sweep is a parent run, a trial a child run.

Names in a trial's run: parameters `net.*`, `opt.*`, `repeat`, `seed`; metrics by step as the kid
records them, and at the end `best/*` and `test/*`; tags `akid.*` with its key, status and origin.
(MLflow documentation, "Tracking" and "Parent and child runs".)
"""

import gc
import logging
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.errors import TrackingError
from akid.tuning import provenance
from akid.tuning.plan import KnownRun
from akid.tuning.tracking import WHEN, Metrics, Tracker, TrialEnd
from akid.tuning.trial import Trial

if TYPE_CHECKING:
    from mlflow.entities import Run

_CLIENT_SETTINGS: Final = {
    # By default a dead server is asked again for minutes; the writer has its own retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_DB_SDK": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# The page of the experiment then opens on its runs, not on traces of language models.
_EXPERIMENT_TAGS: Final = {"mlflow.experimentKind": "custom_model_development"}
_LEVELS: Final = {
    "mlflow": logging.WARNING,
    "mlflow.store.db.utils": logging.ERROR,  # it tells of each of its retries
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,  # likewise
}
_SERVER_TIMEOUT_S: Final = 5.0
_LOCK_TIMEOUT_S: Final = 20.0
_BATCH_METRICS: Final = 1000  # limits of one call, MLflow REST API, "Log Batch"
_BATCH_PARAMS: Final = 100
_MAX_PARAM_CHARS: Final = 6000
_PAGE_RUNS: Final = 1000
_MLFLOW_STATUS: Final = {"FINISHED": "FINISHED", "KILLED": "KILLED", "RUNNING": "RUNNING"}


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
        if not create and not _may_exist(uri):
            return
        for name, value in _CLIENT_SETTINGS.items():
            os.environ.setdefault(name, value)
        _check_folder(uri)
        with _translated(f"reach the tracking store uri={uri!r}"):
            _probe(uri, for_writing=create)
        with _translated(f"open the tracking store uri={uri!r}"), _garbage_kept():
            from mlflow import MlflowClient

            for name, level in _LEVELS.items():
                logging.getLogger(name).setLevel(level)
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment_id = self._find(experiment, create=create)

    def _find(self, name: str, *, create: bool) -> str | None:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            if not create:
                return None
            made: str = self._client.create_experiment(
                name, _artifact_location(self.uri, name), tags=_EXPERIMENT_TAGS
            )
            return made
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"MlflowTracker: expected an active experiment, got {name!r}, which is deleted in"
                f" {self.uri}. Restore it (mlflow experiments restore -x {found.experiment_id}),"
                " or use --name."
            )
        return str(found.experiment_id)

    @property
    def experiment_id(self) -> str:
        """The MLflow experiment's id."""
        assert self._experiment_id is not None, "a tracker that writes has an experiment"
        return self._experiment_id

    def known_runs(self) -> list[KnownRun]:
        if self._experiment_id is None:
            return []
        known: list[KnownRun] = []
        token: str | None = None
        with _translated(f"read the runs in {self.uri!r}"):
            while True:
                page = self._client.search_runs(
                    [self._experiment_id],
                    filter_string="tags.`akid.kind` = 'trial'",
                    max_results=_PAGE_RUNS,
                    page_token=token,
                )
                known.extend(_known(run) for run in page)
                token = page.token
                if not token:
                    return known

    def close_left_open(self) -> int:
        with _translated(f"close what was left open in {self.uri!r}"):
            running = self._client.search_runs(
                [self.experiment_id],
                filter_string="attributes.status = 'RUNNING'",
                max_results=_PAGE_RUNS,
            )
            left = [run for run in running if not provenance.may_be_alive(run.data.tags)]
            for run in left:
                self._client.set_tag(run.info.run_id, "akid.status", "KILLED")
                self._client.set_terminated(run.info.run_id, "KILLED")
        return len(left)

    def start_sweep(self, name: str, *, tags: Mapping[str, str], texts: Mapping[str, str]) -> str:
        with _translated(f"open a run in {self.uri!r}"):
            run = self._client.create_run(
                self.experiment_id, tags={**tags, "akid.kind": "sweep"}, run_name=name
            )
            run_id: str = run.info.run_id
            self._log_files(run_id, {}, texts)
        return run_id

    def start_trial(self, trial: Trial, *, parent_id: str, tags: Mapping[str, str]) -> str:
        from mlflow.entities import Param

        with _translated(f"open the run of trial {trial.label!r} in {self.uri!r}"):
            run = self._client.create_run(
                self.experiment_id,
                tags={**tags, "mlflow.parentRunId": parent_id, **_identity(trial)},
                run_name=trial.label,
            )
            run_id: str = run.info.run_id
            params = [Param(name, text) for name, text in _params(trial).items()]
            for first in range(0, len(params), _BATCH_PARAMS):
                self._client.log_batch(run_id, params=params[first : first + _BATCH_PARAMS])
        return run_id

    def log_rows(self, run_id: str, rows: Sequence[Metrics]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, float(value), int(row["time_s"] * 1000), int(row["step"]))
            for row in rows
            for name, value in row.items()
            if name not in WHEN
        ]
        with _translated(f"write metrics of run {run_id} to {self.uri!r}"):
            for first in range(0, len(metrics), _BATCH_METRICS):
                self._client.log_batch(run_id, metrics=metrics[first : first + _BATCH_METRICS])

    def end_trial(self, run_id: str, end: TrialEnd) -> None:
        from mlflow.entities import Metric, RunTag

        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now_ms, 0) for name, value in end.summary.items()]
        tags = [
            RunTag(name, text) for name, text in {**end.tags, "akid.status": end.status}.items()
        ]
        with _translated(f"close run {run_id} in {self.uri!r}"):
            self._client.log_batch(run_id, metrics=metrics, tags=tags)
            self._log_files(run_id, end.files, end.texts)
            self._client.set_terminated(run_id, _MLFLOW_STATUS.get(end.status, "FAILED"))

    def end_sweep(self, run_id: str, *, status: str, summary: Metrics) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now_ms, 0) for name, value in summary.items()]
        with _translated(f"close run {run_id} in {self.uri!r}"):
            self._client.log_batch(run_id, metrics=metrics)
            self._client.set_terminated(run_id, _MLFLOW_STATUS.get(status, "FAILED"))

    def _log_files(self, run_id: str, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
        """Log all files of a run by one call: each call asks the store where the artifacts lie."""
        if not files and not texts:
            return
        with tempfile.TemporaryDirectory(prefix="akid-artifacts-") as folder:
            for name, text in texts.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            for name, file in files.items():
                if file.is_file():
                    (Path(folder) / name).symlink_to(file.resolve())
            self._client.log_artifacts(run_id, folder)


def default_uri() -> str:
    """Return the store that is used when none is named: MLFLOW_TRACKING_URI, or mlflow.db here."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"


def _sqlite_file(uri: str) -> Path | None:
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0])


def _may_exist(uri: str) -> bool:
    file = _sqlite_file(uri)
    return file is None or file.exists()


def _check_folder(uri: str) -> None:
    file = _sqlite_file(uri)
    if file is None:
        return
    if not file.parent.is_dir():
        raise TrackingError(
            f"MlflowTracker: expected a folder for the store uri={uri!r}, got"
            f" {str(file.parent)!r}, which does not exist."
            " Make it, or name another store by --tracking-uri."
        )
    if file.is_dir():
        raise TrackingError(
            f"MlflowTracker: expected a file as the store, got uri={uri!r}, which is a folder."
            f" Name a file in it: --tracking-uri {uri}/mlflow.db."
        )


def _probe(uri: str, *, for_writing: bool) -> None:
    """Raise what keeps the store from being used; MLflow itself tries again for minutes."""
    file = _sqlite_file(uri)
    if file is not None:
        with closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT_S)) as store:
            store.execute("PRAGMA schema_version")
            if for_writing:
                store.execute("BEGIN IMMEDIATE")
                store.rollback()
    elif uri.startswith(("http://", "https://")):
        from urllib import error, request

        with suppress(error.HTTPError):  # whatever it answers, it is there
            request.urlopen(f"{uri}/health", timeout=_SERVER_TIMEOUT_S).close()  # noqa: S310


def _artifact_location(uri: str, name: str) -> str | None:
    """Keep artifacts beside a SQLite store; a server knows its own place."""
    file = _sqlite_file(uri)
    if file is None:
        return None
    return (file.parent.resolve() / "mlruns" / name).as_uri()


def _identity(trial: Trial) -> dict[str, str]:
    return {
        "akid.kind": "trial",
        "akid.status": "RUNNING",
        "akid.index": str(trial.index),
        "akid.key": trial.key,
        "akid.cell_key": trial.cell_key,
        "akid.source_key": trial.source_key,
        "akid.seed": str(trial.seed),
    }


def _params(trial: Trial) -> dict[str, str]:
    columns = {**trial.columns, "repeat": trial.repeat, "seed": trial.seed}
    texts = {name: v if isinstance(v, str) else repr(v) for name, v in columns.items()}
    return {name: text[:_MAX_PARAM_CHARS] for name, text in texts.items()}


def _known(run: "Run") -> KnownRun:
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
        final={name: value for name, value in metrics.items() if "/" not in name},
        best=_below("best/", metrics),
        test={f"test_{name}": value for name, value in _below("test/", metrics).items()},
        error=tags.get("akid.error"),
        duration_s=duration_s,
    )


def _below(prefix: str, metrics: Metrics) -> dict[str, float]:
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Load MLflow inside without garbage collections, and set it aside from later ones.

    Half a million objects come with MLflow, none of them garbage; looking through them again and
    again takes a quarter of the time that it takes to load them.

    Yields:
        None.
    """
    if "mlflow" in sys.modules:
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn whatever MLflow raises into a `TrackingError` that says what was tried."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        cause = _root(error)
        first_line = str(cause).strip().partition("\n")[0]
        raise TrackingError(
            f"MlflowTracker: could not {what}: {type(cause).__name__}: {first_line}."
            " Check it, or name another store by --tracking-uri."
        ) from error


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
