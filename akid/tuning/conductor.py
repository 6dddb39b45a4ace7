"""Conductor: keeps records, tracking, progress and dashboard in step with what happens."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from akid.cluster.work_dir import WorkDir
from akid.tuning import trial_artifacts
from akid.tuning.failure import RESUMED, Failure
from akid.tuning.messages import Close
from akid.tuning.outcome import Outcome
from akid.tuning.plan import KnownRun
from akid.tuning.progress import Progress
from akid.tuning.records import record_of
from akid.tuning.results import TrialRecord
from akid.tuning.rows import News
from akid.tuning.tracking import ERROR_TAG, FAILURE_TAG, FOLDER_TAG, WHEN, TrialEnd
from akid.tuning.tracking_writer import TrackingWriter
from akid.tuning.trial import Trial

if TYPE_CHECKING:
    from akid.tuning.board import Board
    from akid.tuning.execute import Row

_MAX_TAG_CHARS: Final = 5000
_NOTE_TAG: Final = "akid.note"


@final
class Conductor:
    """Hears what happens to the trials and keeps record, tracking and progress in step.

    Args:
        trials: What runs; a position is a place in it.
        reopened: The earlier runs that trials go on in, by position.
        writer: Takes what the store is to know.
        progress: Shows the sweep to people.
        board: Shows it in the dashboard.
        work_dir: Where the trials keep their files.
        tags: What is said of each run.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        reopened: Mapping[int, KnownRun],
        writer: TrackingWriter,
        progress: Progress,
        board: "Board",
        *,
        work_dir: WorkDir,
        tags: Mapping[str, str],
    ) -> None:
        self.records: dict[int, TrialRecord] = {}
        self.lacks_resources = False
        self._trials = trials
        self._reopened = reopened
        self._writer = writer
        self._progress = progress
        self._board = board
        self._work_dir = work_dir
        self._tags = tags
        self._open: set[int] = set()
        self._last_rows: dict[int, dict[str, float]] = {}
        self._news: defaultdict[int, News] = defaultdict(News)

    def on_start(self, position: int) -> None:
        trial = self._trials[position]
        self._board.begin(trial.index, trial.label)
        if position in self._open:
            return
        self._open.add(position)
        run = self._reopened.get(position)
        self._writer.start_trial(
            trial,
            tags={**self._tags, FOLDER_TAG: self._work_dir.of_trial(trial.slug)},
            goes_on=run.run_id if run is not None else None,
        )
        self._progress.start(trial.label)

    def on_rows(self, position: int, rows: "Sequence[Row]") -> None:
        trial = self._trials[position]
        new = self._news[position].only_new(rows)
        if not new:
            return
        self._last_rows.setdefault(position, {}).update(new[-1])
        self._writer.log_rows(trial.index, new)
        self._progress.hear(trial.label, new)

    def on_place(self, position: int, tags: Mapping[str, str]) -> None:
        self._writer.set_tags(self._trials[position].index, tags)

    def on_note(self, position: int, note: str) -> None:
        trial = self._trials[position]
        self._writer.set_tags(trial.index, {_NOTE_TAG: note[-_MAX_TAG_CHARS:]})
        self._progress.say(f"{trial.label}: {note}")

    def on_retry(self, position: int, reason: str) -> None:
        trial = self._trials[position]
        self._board.retry(trial.index, reason)
        self._progress.say(f"{trial.label} is tried again: {reason}")

    def on_finish(self, position: int, outcome: Outcome) -> None:
        record = replace(
            self._record(position, "FINISHED"),
            final=_metrics(outcome.final),
            best=outcome.best,
            test=outcome.test,
            duration_s=outcome.duration_s,
        )
        self._end(position, record, outcome.end, _shown(outcome.best or outcome.final))

    def on_end(self, close: Close) -> None:
        self.lacks_resources |= close.failure is Failure.UNPLACED
        error = close.error.strip()
        record = replace(self._record(close.index, close.status), error=close.error or None)
        tags = {ERROR_TAG: close.error[-_MAX_TAG_CHARS:]} if close.error else {}
        if close.failure is not None:
            tags[FAILURE_TAG] = close.failure
        end = TrialEnd(status=close.status, tags=tags)
        last_line = error.splitlines()[-1] if error else close.reason
        self._end(close.index, record, end, f"{close.status}: {last_line}")

    def on_abort(self, reason: str) -> None:
        self._progress.say(reason)

    def on_wait(self, what: str) -> None:
        self._progress.wait(what)

    def _end(self, position: int, record: TrialRecord, end: TrialEnd, summary: str) -> None:
        trial = self._trials[position]
        self.records[trial.index] = record
        self._board.end(trial.index, record.status, summary)
        if position not in self._open:  # it never began
            return
        self._open.remove(position)
        # A run that may go on has its error as a tag, which goes then; a file would stay.
        goes_on = end.tags.get(FAILURE_TAG) in RESUMED
        self._writer.log_files(
            trial.index,
            files=trial_artifacts.of(self._work_dir.of_trial(trial.slug)),
            texts={} if record.error is None or goes_on else {"error.txt": record.error},
        )
        self._writer.end_trial(trial.index, end)
        self._progress.end(trial.label, status=record.status, summary=summary)

    def _record(self, position: int, status: str) -> TrialRecord:
        trial = self._trials[position]
        return record_of(trial, status, final=_metrics(self._last_rows.get(position, {})))


def _metrics(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in WHEN}


def _shown(metrics: Mapping[str, float]) -> str:
    names = [name for name in metrics if name.startswith("val_")] or list(metrics)
    return ", ".join(f"{name} {metrics[name]:.4g}" for name in names[:3])
