"""Trial artifacts: the files of a trial that go into its run, wherever the trial keeps them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from akid.cluster.object_folder import Generation, ObjectFolder, is_uri
from akid.errors import StorageError, TrackingError
from akid.tuning import output

SCRIPT: Final = "trial.py"
_LOG: Final = "training.log"
_BEST: Final = "model/best.pt"
_IN_STORE: Final = "#"  # between the place of a folder in an object store and a file in it


def of(place: str) -> dict[str, str]:
    """Return the files by their names in the run; some may be missing.

    Args:
        place: Where the trial's files lie, a path for any working folder or a URI.

    >>> of("/a")["best.pt"], of("s3://b/a")["best.pt"]
    ('/a/model/best.pt', 's3://b/a#model/best.pt')
    """
    between = _IN_STORE if is_uri(place) else "/"
    names = (SCRIPT, _LOG, output.FILE_NAME, _BEST)
    return {name.rpartition("/")[2]: f"{place}{between}{name}" for name in names}


@contextmanager
def at_hand(files: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Give files as paths, those in an object store as copies inside of the `with` block.

    Yields:
        The files by their names; some may be missing.

    Raises:
        TrackingError: If an object store does not answer.
    """
    if not any(map(is_uri, files.values())):
        yield {name: Path(file) for name, file in files.items()}
        return
    with tempfile.TemporaryDirectory(prefix="akid-artifacts-") as copies:
        try:
            found = _copied(files, Path(copies))
        except StorageError as error:
            raise TrackingError(f"artifacts: {error}") from error
        yield found


@contextmanager
def folder_at_hand(place: str, names: Sequence[str]) -> Iterator[Path]:
    """Give a trial's folder, one in an object store as a copy with the files of these names.

    Yields:
        The folder; files may be missing.

    Raises:
        StorageError: If an object store does not answer.
    """
    if not is_uri(place):
        yield Path(place)
        return
    with tempfile.TemporaryDirectory(prefix="akid-trial-") as copy:
        _copied({name: f"{place}{_IN_STORE}{name}" for name in names}, Path(copy))
        yield Path(copy)


def _copied(files: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Copy what lies in an object store into a folder; return all as paths."""
    stores: dict[str, tuple[ObjectFolder, Generation | None]] = {}
    found = {}
    for here, file in files.items():
        found[here] = folder / here if is_uri(file) else Path(file)
        if is_uri(file):
            uri, _, name = file.partition(_IN_STORE)
            if uri not in stores:
                store = ObjectFolder(uri)
                stores[uri] = store, store.newest()
            store, newest = stores[uri]
            if newest is not None and name in newest.files:
                store.fetch(newest.files[name], found[here])
    return found
