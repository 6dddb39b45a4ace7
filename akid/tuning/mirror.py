"""Mirror: a trial's folder on this machine, kept in an object store.

The trial works in its scratch folder as in any other. A thread sees when it has written a
checkpoint and brings the folder to the store, so that training does not wait for that. A store that
does not answer for a while is told of, and tried again; the trial goes on.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from akid.cluster.object_folder import Content, Generation, Mark, ObjectFolder, new_writer
from akid.cluster.work_dir import ScratchFolder
from akid.errors import StorageError, TakenOverError
from akid.training.checkpoint import step_of
from akid.tuning.execute import ToldToStop

_MODEL: Final = "model"
_BEST: Final = f"{_MODEL}/best.pt"

_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class MirrorTiming:
    """How long what takes.

    Attributes:
        look_s: Between two looks for a new checkpoint.
        longest_pause_s: Between two attempts to reach a store that does not answer, at most.
        patience_s: How long a trial waits for the store at its begin and at its end.
        short_patience_s: How long one waits that ends without a result.
    """

    look_s: float = 0.5
    longest_pause_s: float = 30.0
    patience_s: float = 600.0
    short_patience_s: float = 10.0


@final
class Mirror:
    """A trial's folder, fetched from an object store and kept there, inside of a `with` block.

    Entering fetches what the trial goes on from, and sets aside what else is there. Leaving brings
    all to the store, waits for that, and deletes the folder here.

    Args:
        uri: Where the trial's files lie.
        name: How the folder's name begins.
        sources: Where may lie what the trial goes on from, mostly in `uri` itself; the first where
            there is anything counts. None for a fresh start.
        is_to_stop: Whether the trial is told to end.
        on_note: Called with what is amiss and does not end the trial, also from another thread.
        timing: How long what takes.

    Attributes:
        folder: The folder.

    Raises:
        StorageError: On entering, and on leaving without another error, if the store does not
            answer for too long.
        TakenOverError: On leaving without another error, if another attempt has begun since.
        ToldToStop: If that is so while the store is waited for.
    """

    def __init__(
        self,
        uri: str,
        *,
        name: str,
        sources: Sequence[str],
        is_to_stop: Callable[[], bool],
        on_note: Callable[[str], None],
        timing: MirrorTiming | None = None,
    ) -> None:
        self._scratch = ScratchFolder(name)
        self.folder: Final = self._scratch.path
        self._uri = uri
        self._sources = sources
        self._is_to_stop = is_to_stop
        self._note = on_note
        self._timing = timing or MirrorTiming()
        self._sent: dict[_Identity, Content] = {}
        self._fetched: dict[str, Path] = {}
        self._pushed: set[tuple[str, int]] = set()
        self._writer = new_writer()
        self._term = 0
        self._count = 0
        self._is_down = False
        self._is_taken_over = False
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mirror of {name}", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._insist(self._begin, self._timing.patience_s)
        except BaseException:
            self._scratch.delete()
            raise
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._has_ended.set()
        self._thread.join()
        timing = self._timing
        try:
            if error is None:
                self._insist(self._push, timing.patience_s)
            elif not self._is_taken_over:
                self._end_without_result(timing.short_patience_s)
        finally:
            self._scratch.delete()

    def check_own(self) -> None:
        """Make sure that no other attempt has begun since.

        Raises:
            TakenOverError: If one has.
        """
        if self._is_taken_over:
            raise TakenOverError(
                f"Mirror: expected {self._uri} to be this attempt's own, got that of another"
                " process, which practises the same trial. This attempt ends."
            )

    def _begin(self) -> None:
        """Fetch what there is to go on from, set aside what else is in the way, begin a term."""
        self._store = ObjectFolder(self._uri)
        newest = self._store.newest()
        self._term = max(self._term, newest.mark.term + 1 if newest is not None else 1)
        source = self._find()
        if source is not None and source.uri == self._uri:
            self._push()
            return
        self._sent.clear()
        if newest is None or newest.mark.writer != self._writer:
            self._store.set_aside()
        self._push()
        if source is not None:
            source.delete()

    def _find(self) -> ObjectFolder | None:
        """Fetch what the trial goes on from, and return where it lay."""
        for uri in self._sources:
            store = ObjectFolder(uri)
            generation = store.newest()
            if generation is not None:
                self._fetch(store, generation)
                return store
        return None

    def _fetch(self, store: ObjectFolder, generation: Generation) -> None:
        """Fetch the newest checkpoint that is whole, and all files that are no checkpoints.

        If the best weights are damaged, the other checkpoints may have them.
        """
        files = generation.files
        steps = {name: step_of(Path(name).name) for name in files}
        checkpoints = sorted((step, name) for name, step in steps.items() if step is not None)
        for name in [name for name, step in steps.items() if step is None]:
            if not self._fetch_one(store, name, files[name]) and name == _BEST:
                for _, checkpoint in checkpoints:
                    self._fetch_one(store, checkpoint, files[checkpoint])
        for _, name in reversed(checkpoints):
            if self._fetch_one(store, name, files[name]):
                break

    def _fetch_one(self, store: ObjectFolder, name: str, content: Content) -> bool:
        target = self.folder / name
        if target.exists():
            return True
        if content.key in self._fetched:
            target.parent.mkdir(exist_ok=True)
            target.hardlink_to(self._fetched[content.key])
            return True
        if not store.fetch(content, target):
            self._note(f"passes over {name} in {store.uri}, which is damaged")
            return False
        self._fetched[content.key] = target
        self._sent[_identity(target.stat())] = content
        return True

    def _run(self) -> None:
        """Bring the folder to the store whenever there is a new checkpoint."""
        pause_s = self._timing.look_s
        while not self._has_ended.wait(pause_s):
            if self._checkpoints() == self._pushed:
                continue
            try:
                self._push()
            except StorageError as error:
                self._tell_down(error)
                pause_s = min(2 * pause_s, self._timing.longest_pause_s)
            except TakenOverError:
                return
            else:
                pause_s = self._timing.look_s

    def _checkpoints(self) -> set[tuple[str, int]]:
        """Return what tells the checkpoints of one moment from those of another."""
        try:
            found = os.scandir(self.folder / _MODEL)
        except FileNotFoundError:
            return set()
        with found:
            return {(entry.name, entry.inode()) for entry in found if entry.name[0] != "."}

    def _push(self) -> None:
        """Bring to the store what has changed.

        Checkpoints come first: rows are written before the checkpoint that follows them, so those
        that are read after it are complete.
        """
        newest = self._store.newest()
        if newest is not None and newest.mark[:2] > (self._term, self._writer):
            self._is_taken_over = True
            self.check_own()
        found = self._checkpoints()
        mark = Mark(self._term, self._writer, self._count)
        self._count += 1
        files = {}
        for name in _names(self.folder):
            content = self._brought(name, mark)
            if content is not None:
                files[name] = content
        self._store.seal(Generation(mark=mark, files=files))
        self._pushed = found
        self._tell_up()

    def _brought(self, name: str, mark: Mark) -> Content | None:
        """Return what a file is in the store, where it is brought if it is not there yet.

        A name that points to the same file as another is the same content. None if it has gone.
        """
        try:
            stream = (self.folder / name).open("rb")
        except FileNotFoundError:
            return None
        with stream:
            identity = _identity(os.fstat(stream.fileno()))
            if identity not in self._sent:
                self._sent[identity] = self._store.put(name, stream, mark)
            return self._sent[identity]

    def _end_without_result(self, patience_s: float) -> None:
        """Bring what there is to the store; that it can't be is told, the trial's end says more."""
        try:
            self._insist(self._push, patience_s, heeds=False)
        except (StorageError, TakenOverError) as error:
            self._note(f"what it wrote last is not in {self._uri}: {error}")

    def _insist(self, do: Callable[[], None], patience_s: float, *, heeds: bool = True) -> None:
        """Do something with the store; try again while that does not answer, up to a limit."""
        deadline_s = time.monotonic() + patience_s
        pause_s = self._timing.look_s
        while True:
            try:
                return do()
            except StorageError as error:
                self._tell_down(error)
                if time.monotonic() + pause_s > deadline_s:
                    raise
            wake_s = time.monotonic() + pause_s
            while time.monotonic() < wake_s:
                if heeds and self._is_to_stop():
                    raise ToldToStop(f"told to stop while {self._uri} does not answer")
                time.sleep(min(0.25, self._timing.look_s))
            pause_s = min(2 * pause_s, self._timing.longest_pause_s)

    def _tell_down(self, error: StorageError) -> None:
        if not self._is_down:
            self._is_down = True
            self._note(f"its files wait on their machine, the trial goes on: {error}")

    def _tell_up(self) -> None:
        if self._is_down:
            self._is_down = False
            self._note(f"{self._uri} answers again, its files are there")


def _names(folder: Path) -> list[str]:
    """Return the files of a folder, checkpoints first; none that is being written."""
    found = [
        str(Path(parent, name).relative_to(folder))
        for parent, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".")
    ]
    return sorted(found, key=lambda name: (not name.startswith(f"{_MODEL}/"), name))


def _identity(status: os.stat_result) -> _Identity:
    """Return what tells a content from what it was before, and from other files."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
