"""Trial folders: where each trial's logs and checkpoints lie, and what of them an attempt finds."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from akid.cluster.work_dir import WorkDir
from akid.tuning.messages import Start
from akid.tuning.trial import Trial


@final
class TrialFolders:
    """The folders of a sweep's trials, brought into order before each attempt.

    In an object store that is done by the attempt itself (`mirror.py`): it may take its time there.

    Args:
        work_dir: The sweep's work dir.
        trials: The trials.
        left_in: Where an earlier sweep left trials that go on, by position. A trial may have had
            another number there.
    """

    def __init__(
        self, work_dir: WorkDir, trials: Sequence[Trial], left_in: Mapping[int, str]
    ) -> None:
        self._work_dir = work_dir
        self._trials = trials
        self._left_in = left_in
        self._not_yet: set[int] = set()  # trials whose first attempt did not get its folder

    def prepare(self, start: Start) -> tuple[str, ...]:
        """Put what the attempt goes on from into the trial's folder, and set anything else aside.

        Returns:
            Where the attempt may find what it goes on from, the first first; nothing where it
            starts afresh.

        Raises:
            OSError: If a folder can't be renamed, moved or tidied; the next attempt then finds what
                this one would have found.
        """
        place = self._work_dir.of_trial(self._trials[start.index].slug)
        left_in = self._left_in.get(start.index)
        if self._work_dir.uri:
            earlier = (left_in,) if left_in is not None else ()
            again = (place,) if start.attempt > 1 else ()
            return (*earlier, *again) if start.resume or start.attempt == 1 else ()
        if start.attempt == 1 or start.index in self._not_yet:
            self._not_yet.add(start.index)
            goes_on = _prepare_first(Path(place), left_in)
            self._not_yet.remove(start.index)
        else:
            goes_on = _prepare_again(Path(place), is_kept=start.resume)
        return (place,) if goes_on else ()


def _prepare_first(own: Path, left_in: str | None) -> bool:
    """Bring what an earlier sweep left into the trial's folder; return whether it left any."""
    _drop_torn_files(own)
    left = Path(left_in) if left_in is not None else None
    if left is None or not left.is_dir():
        _set_aside(own)
        return False
    _drop_torn_files(left)
    if left.resolve() != own.resolve():
        _set_aside(own)
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(left, own)
    return True


def _prepare_again(own: Path, *, is_kept: bool) -> bool:
    """Keep what this sweep's last attempt left, or set it aside; return whether it is kept."""
    _drop_torn_files(own)
    if not is_kept:
        _set_aside(own)
    return is_kept


def _drop_torn_files(folder: Path) -> None:
    """Delete what a killed process had begun to write; what it ended has another name."""
    for file in folder.rglob(".*.pt.*"):
        file.unlink(missing_ok=True)


def _set_aside(folder: Path) -> None:
    """Rename the folder of an earlier run, so that the two are not mixed up."""
    if not folder.exists():
        return
    number = 1
    while (target := folder.with_name(f"{folder.name}~{number}")).exists():
        number += 1
    folder.rename(target)
