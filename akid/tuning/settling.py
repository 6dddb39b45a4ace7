"""Settling: what earlier sweeps of an experiment left behind is brought to its true end.

First what waits for the store is sent, the starts of trials among it whose runs were not opened
yet; then the runs that a dead sweep left open are closed: as FINISHED if the trial's folder says
that it came to its end, as what the sweep had begun to tell of it, else as KILLED. A sweep does so
before it plans, and again when it has the lock: while it waited, another one may have died.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from akid.errors import RefusedError, TrackingError
from akid.tuning import provenance, trial_artifacts
from akid.tuning.delivery import Delivery
from akid.tuning.outcome import Outcome
from akid.tuning.results import DIVERGED, FAILED, FINISHED, KILLED, STOPPED
from akid.tuning.rows import left_in
from akid.tuning.run_end import close_run
from akid.tuning.spool import Spool, head_of, left_below
from akid.tuning.tracking import FOLDER_TAG, OpenRun, Tracker, TrialEnd

logger = logging.getLogger(__name__)

_PATIENCE_S: Final = 10.0  # with a store that does not answer
_HELD_S: Final = 300.0  # for another process that sends
_LOOK_S: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What became of the events that one sweep had left waiting.

    Attributes:
        sent: How many the store took.
        waiting: How many still wait.
        faults: What is lost, and why the rest still waits; one sentence each.
        is_held_up: Whether what waits is more than artifacts, so that runs are not complete.
    """

    sent: int
    waiting: int
    faults: tuple[str, ...]
    is_held_up: bool


def settle(tracker: Tracker, folder: Path, *, uri: str, is_alone: bool = False) -> bool:
    """Bring to its end what earlier sweeps left, before anything is planned on it.

    Args:
        tracker: The store.
        folder: The experiment's folder.
        uri: The store's address; what waits for another store is left alone.
        is_alone: Whether no other sweep of the experiment trains. Then what another process has
            is waited for: it was left by a sweep that is over, and is being sent or looked at.

    Returns:
        Whether there was anything, so that what is known of trials may be other than before.

    Raises:
        TrackingError: If the store can't be used, or does not take what waits, or if another
            process does not let go of it.
    """
    were_left = [
        _settle_file(tracker, file, uri=uri, is_alone=is_alone) for file in left_below(folder)
    ]
    n_closed = close_left_open(tracker, is_alone=is_alone)
    return any(were_left) or n_closed > 0


def unsettled(folder: Path, *, uri: str) -> int:
    """Return how many events of sweeps that are over wait for this store; nothing is sent.

    Args:
        folder: The experiment's folder.
        uri: The store's address.

    Raises:
        TrackingError: If something that waits can't be read.
    """
    count = 0
    for file in left_below(folder):
        spool = Spool.open_left(file)
        if spool is None:  # another sweep is at it
            continue
        count += len(spool) if spool.head.uri == uri else 0
        spool.close()
    return count


def send(tracker: Tracker, spool: Spool) -> Sent:
    """Send what waits in a spool, and try again for a while what the store does not take.

    Raises:
        TrackingError: If the store can't be asked, or does not have the sweep's run.
    """
    if not tracker.has_run(spool.head.sweep):
        raise TrackingError(
            f"{spool.file}: expected a store that has run {spool.head.sweep} of experiment"
            f" {spool.head.experiment!r}, got one without it. Name the store that the sweep used"
            " (--tracking-uri); if that is gone, delete the file."
        )
    before = len(spool)
    delivery = Delivery(tracker, spool)
    deadline_s = time.monotonic() + _PATIENCE_S
    delivery.retry()
    while delivery.waiting and time.monotonic() < deadline_s:
        time.sleep(delivery.wait_s() or 0.0)
        delivery.retry()
    faults = [*delivery.refused]
    if spool.damaged_lines:
        faults.append(f"{spool.file}: {spool.damaged_lines} lines could not be read and are lost.")
    if delivery.waiting:
        faults.append(delivery.fault)
    return Sent(
        sent=before - delivery.waiting - len(delivery.refused),
        waiting=delivery.waiting,
        faults=tuple(faults),
        is_held_up=any(not is_artifact for is_artifact, _ in map(spool.lane, spool.waiting())),
    )


def close_left_open(tracker: Tracker, *, is_alone: bool = False) -> int:
    """Close the runs whose sweep is dead, and return how many these are.

    Args:
        tracker: The store.
        is_alone: Whether no other sweep of the experiment trains: then every trial's run that is
            open was left so, also by a machine of whose processes nothing is known here.

    Raises:
        TrackingError: If the store can't be used.
    """
    left = [
        run
        for run in tracker.open_runs()
        if not provenance.may_be_alive(run.tags) or (is_alone and run.is_trial)
    ]
    for run in left:
        if run.is_trial:
            _close_trial(tracker, run)
        else:
            tracker.end_sweep(run.run_id, status=KILLED, summary={}, ended_s=time.time())
    return len(left)


def _settle_file(tracker: Tracker, file: Path, *, uri: str, is_alone: bool) -> bool:
    """Send what waits in a spool; return False if that is for another store."""
    spool = _let_go(file, uri) if is_alone else Spool.open_left(file)
    if spool is None:  # another process is at it, or was
        return True
    try:
        if spool.head.uri == uri:
            _settle_spool(tracker, spool)
    finally:
        spool.close()
    return spool.head.uri == uri


def _let_go(file: Path, uri: str) -> Spool | None:
    """Return a spool, once no other process has it; None if that is for another store, or gone."""
    deadline_s: float | None = None
    while (spool := Spool.open_left(file)) is None and _is_for(file, uri):
        now_s = time.monotonic()
        if deadline_s is None:
            logger.warning("waits for the process that has %s, which an earlier sweep left", file)
            deadline_s = now_s + _HELD_S
        if now_s >= deadline_s:
            raise TrackingError(
                f"{file}: expected that who sends what an earlier sweep left is done within"
                f" {_HELD_S:g} s, got a process that still has it. Try again when that has ended"
                " (akid.sweep sync, or another sweep)."
            )
        time.sleep(_LOOK_S)
    return spool


def _is_for(file: Path, uri: str) -> bool:
    head = head_of(file)
    return head is not None and head.uri == uri


def _settle_spool(tracker: Tracker, spool: Spool) -> None:
    if not tracker.has_run(spool.head.sweep):
        logger.warning("%s waits for a store that is gone; delete it", spool.file)
        return
    done = send(tracker, spool)
    if done.sent:
        logger.warning("%d events that an earlier sweep left waiting are sent", done.sent)
    for fault in done.faults:
        logger.warning("not tracked: %s", fault)
    if done.is_held_up:
        raise TrackingError(
            f"{spool.file}: expected the tracking store to take what an earlier sweep left waiting,"
            f" got {done.waiting} events that it does not take: {done.faults[-1]} Try again; or"
            " delete the file, and trials that finished run again."
        )


def _close_trial(tracker: Tracker, run: OpenRun) -> None:
    place = run.tags.get(FOLDER_TAG, "")
    try:
        left = left_in(place, run.tags["akid.key"])
    except OSError as error:  # of an object store, too
        logger.warning("run %s stays open: %s", run.run_id, error)
        return
    if left is None or left.result is None:
        rows = left.rows if left is not None else []
        ended_s = rows[-1]["time_s"] if rows else time.time()
        told = run.tags.get("akid.status")  # where its sweep died while it told the run's end
        status = told if told in (FINISHED, FAILED, DIVERGED, STOPPED) else KILLED
        _end_trial(tracker, run, TrialEnd(status=status, ended_s=ended_s))
        return
    try:
        tracker.log_rows(run.run_id, left.rows)
    except RefusedError as error:
        logger.warning("not tracked: %s", error)
    try:
        with trial_artifacts.at_hand(trial_artifacts.of(place)) as files:
            tracker.log_files(run.run_id, files=files, texts={})
    except TrackingError as error:
        logger.warning("not tracked: %s", error)
    _end_trial(tracker, run, Outcome(**left.result).end)


def _end_trial(tracker: Tracker, run: OpenRun, end: TrialEnd) -> None:
    if refused := close_run(tracker, run.run_id, end):
        logger.warning("not tracked: %s", refused)
