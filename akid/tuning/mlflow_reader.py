"""The MLflow reader: what a store has of the trials that ran."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.cluster import temporary
from akid.errors import TrackingError
from akid.tuning import parameter_text
from akid.tuning.history import StoredRun
from akid.tuning.mlflow_store import may_exist, open_client, translated
from akid.tuning.plan import KnownRun
from akid.tuning.provenance import VERSION
from akid.tuning.tracking import ERROR_TAG, FAILURE_TAG, RESUMED_TAG, Metrics

if TYPE_CHECKING:
    from mlflow.entities import Run

_PAGE_RUNS: Final = 1000
_RUN_ID: Final = re.compile("[0-9a-f]{1,32}")
_LISTED: Final = 8
_USAGE: Final = "gpu/"
_NOT_FINAL: Final = ("best/", "test/", _USAGE)
_TRIALS: Final = "tags.`akid.kind` = 'trial'"


class MlflowReader:
    """Reads the runs of a store and changes nothing.

    Args:
        uri: A tracking URI: `sqlite:///mlflow.db`, `http://host:5000`, ...

    Raises:
        TrackingError: If there is no store, or it can't be read.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        if not may_exist(uri):
            raise TrackingError(
                f"tracking store: expected one to read, got uri={uri!r}, where there is none. Run"
                " it where the sweep ran, or name the store by --tracking-uri."
            )
        self._client = open_client(uri, for_writing=False)
        with translated(f"list the experiments of {uri!r}"):
            found = self._client.search_experiments()
        self._names = {str(one.experiment_id): str(one.name) for one in found}

    def trials(self, experiment: str) -> list[StoredRun]:
        """Return the trial runs of an experiment, newest first.

        Raises:
            TrackingError: If there is no such experiment, or none of its trials has begun.
        """
        found = [self._stored(run) for run in self._search(self._ids_of(experiment), _TRIALS)]
        if not found:
            raise TrackingError(
                f"experiment {experiment!r}: expected at least one run, got none in {self.uri!r}."
                " Sweep first."
            )
        return found

    def find(self, name: str, *, experiment: str | None = None) -> StoredRun:
        """Return the run of this id, or whose id alone begins so, or the newest that is called so.

        Args:
            name: A run's id, a unique begin of it, or a trial's label.
            experiment: Where to look; None for everywhere.

        Raises:
            TrackingError: If there is no such run, several, or one that is no trial's.
        """
        places = list(self._names) if experiment is None else self._ids_of(experiment)
        found = self._with_id(name, places) if _RUN_ID.fullmatch(name) else []
        found = found or self._called(name, places)
        if not found:
            where = "" if experiment is None else f" in experiment {experiment!r}"
            raise TrackingError(
                f"tracking store: expected a run's id, the begin of one, or a trial's name{where},"
                f" got {name!r}, which no run in {self.uri!r} has."
                " `akid.sweep compare EXPERIMENT --json` lists the runs."
            )
        if len(found) > 1:
            raise TrackingError(self._ambiguous(name, found))
        if found[0].data.tags.get("akid.kind") != "trial":
            raise TrackingError(
                f"tracking store: expected the run of a trial, got {name!r}, which is"
                f" {found[0].info.run_name!r}, no trial of akid's."
            )
        return self._stored(found[0])

    def artifacts(self, run_id: str) -> list[str]:
        """Return the names of a run's files."""
        with translated(f"list the files of run {run_id} in {self.uri!r}"):
            return sorted(str(file.path) for file in self._client.list_artifacts(run_id))

    def text(self, run_id: str, name: str) -> str | None:
        """Return what a text file of a run says; None if the run has no such file."""
        if name not in self.artifacts(run_id):
            return None
        with temporary.folder("artifacts") as folder:
            return self.fetch(run_id, name, folder).read_text(encoding="utf-8")

    def fetch(self, run_id: str, name: str, folder: Path) -> Path:
        """Copy a file of a run into a folder, and return where it lies.

        Raises:
            TrackingError: If the run has no such file; those that it has are listed.
        """
        known = self.artifacts(run_id)
        if name not in known:
            raise TrackingError(
                f"run {run_id}: expected the file {name} in the tracking store, got"
                f" {', '.join(known) or 'no file at all'}."
            )
        folder.mkdir(parents=True, exist_ok=True)
        with translated(f"read {name} of run {run_id} in {self.uri!r}"):
            return Path(self._client.download_artifacts(run_id, name, str(folder)))

    def _ids_of(self, experiment: str) -> list[str]:
        found = [place for place, name in self._names.items() if name == experiment]
        if not found:
            listed = ", ".join(sorted(set(self._names.values()) - {"Default"})) or "none"
            raise TrackingError(
                f"tracking store: expected an experiment of {self.uri!r} or an experiment file, got"
                f" {experiment!r}. Known experiments: {listed}."
            )
        return found

    def _with_id(self, begin: str, places: Sequence[str]) -> "list[Run]":
        return list(self._search(places, f"attributes.run_id LIKE '{begin}%'"))

    def _called(self, label: str, places: Sequence[str]) -> "list[Run]":
        """Return the newest run of this name in each experiment."""
        pattern = label.replace("'", "_").replace("\\", "_")  # any character; looked at below
        newest: dict[str, Run] = {}
        for run in self._search(places, f"{_TRIALS} and attributes.run_name LIKE '{pattern}'"):
            if run.info.run_name == label:
                newest.setdefault(run.info.experiment_id, run)
        return list(newest.values())

    def _ambiguous(self, name: str, found: "Sequence[Run]") -> str:
        listed = [
            f"    {run.info.run_id}  {self._names[run.info.experiment_id]}: {run.info.run_name}"
            for run in found[:_LISTED]
        ]
        more = [f"    and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
        head = (
            f"tracking store: expected one run, got {name!r}, which fits {len(found)}. Give more of"
            " the id, or --experiment with a trial's name:"
        )
        return "\n".join([head, *listed, *more])

    def _search(self, places: Sequence[str], condition: str) -> "Iterator[Run]":
        token: str | None = None
        while True:
            with translated(f"read the runs in {self.uri!r}"):
                page = self._client.search_runs(
                    list(places), condition, max_results=_PAGE_RUNS, page_token=token
                )
            yield from page
            token = page.token
            if not token:
                return

    def _stored(self, run: "Run") -> StoredRun:
        tags, params = run.data.tags, run.data.params
        return StoredRun(
            known=known_run(run),
            experiment=self._names[run.info.experiment_id],
            label=str(run.info.run_name),
            index=int(tags.get("akid.index", 0)),
            repeat=int(params.get("repeat", 0)),
            columns={
                name: parameter_text.read(text)
                for name, text in params.items()
                if name.startswith(("net.", "opt."))
            },
            tags=tags,
            parent_id=tags.get("mlflow.parentRunId", ""),
            usage={n: v for n, v in run.data.metrics.items() if n.startswith(_USAGE)},
        )


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
        started_s=max((info.start_time or 0) / 1000, float(tags.get(RESUMED_TAG, 0.0))),
        folder=tags.get("akid.folder", ""),
        versions={
            name.removeprefix(VERSION): text
            for name, text in tags.items()
            if name.startswith(VERSION)
        },
        final={n: value for n, value in metrics.items() if not n.startswith(_NOT_FINAL)},
        best=_below("best/", metrics),
        test={f"test_{name}": value for name, value in _below("test/", metrics).items()},
        error=tags.get(ERROR_TAG),
        failure=tags.get(FAILURE_TAG, ""),
        duration_s=duration_s,
    )


def _below(prefix: str, metrics: Metrics) -> dict[str, float]:
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}
