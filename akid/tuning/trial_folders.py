"""Trial folders: where each trial's logs and checkpoints lie, and what of them an attempt finds."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from akid.tuning.messages import Start
from akid.tuning.trial import Trial


@final
class TrialFolders:
    """The folders of a sweep's trials, brought into order before each attempt.

    Args:
        folder: The sweep's folder; all machines see it.
        trials: The trials.
        left_in: The folders in which an earlier sweep left trials that go on, by position. A trial
            may have had another number there.
    """

    def __init__(self, folder: Path, trials: Sequence[Trial], left_in: Mapping[int, Path]) -> None:
        self._folder = folder
        self._trials = trials
        self._left_in = left_in

    def prepare(self, start: Start) -> bool:
        """Put what the attempt goes on from into the trial's folder, and set anything else aside.

        Returns:
            Whether the attempt goes on from what lies there.
        """
        own = self._folder / self._trials[start.index].slug
        _drop_torn_files(own)
        if start.attempt > 1:
            if not start.resume:
                _set_aside(own)
            return start.resume
        left_in = self._left_in.get(start.index)
        if left_in is None or not left_in.is_dir():
            _set_aside(own)
            return False
        _drop_torn_files(left_in)
        if left_in.resolve() != own.resolve():
            _set_aside(own)
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(left_in, own)
        return True


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
