"""Object folder: a folder in an object store (S3, GCS, ...) that is never found half written.

What belongs together is written as a *generation*: the contents first, each as an object that is
never changed, then a manifest that names them with their checksums. Whoever reads takes the newest
generation of which every object is there; what a writer that died had begun is passed over, and
deleted by the next one.

A folder has one writer at a time. Each begins a *term* above all before it; by that an earlier one
that still runs somewhere finds out.

Nothing else knows the file systems of pyarrow and of fsspec.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self, final

from akid.errors import StorageError

_MARK: Final = r"(\d{6})-([0-9a-f]{8})-(\d{6})"
_MANIFEST: Final = re.compile(rf"manifest-{_MARK}\.json")
_CONTENT: Final = re.compile(rf".+\.{_MARK}")
_KEPT: Final = 2  # generations: whoever reads the one before the newest may end that
_CHUNK_BYTES: Final = 4 * 2**20


class Mark(NamedTuple):
    """What tells a generation from every other; a later one is greater.

    Attributes:
        term: The number of its writer's term.
        writer: Its writer, where two began the same term.
        number: Its number within the term.
    """

    term: int
    writer: str
    number: int

    @classmethod
    def read(cls, pattern: re.Pattern[str], name: str) -> Self | None:
        """Return the mark in a name, or None if it has none."""
        found = pattern.fullmatch(name)
        return cls(int(found[1]), found[2], int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.term:06d}-{self.writer}-{self.number:06d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a file of a generation is.

    Attributes:
        key: The object, relative to the folder.
        size_bytes: How large it is.
        sha256: Its checksum.
    """

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """What was written at once.

    Attributes:
        mark: Which generation it is.
        files: The files by their names, such as `model/best.pt`.
    """

    mark: Mark
    files: Mapping[str, Content]


@final
class ObjectFolder:
    """A folder in an object store.

    Every method may raise `StorageError`: the store does not answer or refuses. Later it may not.

    Args:
        uri: Where it lies, such as `s3://bucket/a/folder`; what pyarrow or fsspec understands.
    """

    def __init__(self, uri: str) -> None:
        self.uri: Final = uri
        self._filesystem, self._path = _opened(uri)

    def newest(self) -> Generation | None:
        """Return the newest generation that is whole, or None."""
        return next(self._whole(self._sizes()), None)

    def put(self, name: str, stream: BinaryIO, mark: Mark) -> Content:
        """Write a content, to be named by the generation of that mark; return what it is."""
        key, size_bytes, checksum = f"{name}.{mark}", 0, hashlib.sha256()
        with _told(f"write {key} to {self.uri}"), self._open(key) as target:
            while chunk := stream.read(_CHUNK_BYTES):
                checksum.update(chunk)
                size_bytes += len(chunk)
                target.write(chunk)
        return Content(key=key, size_bytes=size_bytes, sha256=checksum.hexdigest())

    def seal(self, generation: Generation) -> None:
        """Write the manifest of a generation whose contents are there, and delete what is old."""
        files = {name: asdict(content) for name, content in generation.files.items()}
        text = json.dumps({"files": files}, indent=1)
        with _told(f"write a manifest to {self.uri}"):
            with self._open(f"manifest-{generation.mark}.json") as target:
                target.write(text.encode())
            self._drop_old(generation.mark.term)

    def fetch(self, content: Content, target: Path) -> bool:
        """Copy a content to a file; without a file return False if it is not what was written."""
        checksum = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        with _told(f"read {content.key} from {self.uri}"):
            try:
                source = self._source(content.key)
            except FileNotFoundError:
                return False
            with source, part.open("wb") as file:
                while chunk := source.read(_CHUNK_BYTES):
                    checksum.update(chunk)
                    file.write(chunk)
        if checksum.hexdigest() != content.sha256:
            part.unlink()
            return False
        part.replace(target)
        return True

    def set_aside(self) -> None:
        """Move what is there to a folder of the same name with a number, as `folder~1`."""
        with _told(f"set aside what lies in {self.uri}"):
            keys = self._sizes()
            if not keys:
                return
            number = 1
            while self._sizes(target := f"{self._path}~{number}"):
                number += 1
            for key in sorted(keys, key=_is_manifest):  # what a manifest names is there before it
                source = self._source(key)
                with source, self._open(key, target) as copy:
                    while chunk := source.read(_CHUNK_BYTES):
                        copy.write(chunk)
            self.delete()

    def delete(self) -> None:
        """Delete all that is there; the manifests first."""
        with _told(f"delete {self.uri}"):
            for key in sorted(self._sizes(), key=_is_manifest, reverse=True):
                self._filesystem.delete_file(f"{self._path}/{key}")

    def write_text(self, name: str, text: str) -> None:
        """Write a small object that belongs to no generation."""
        with _told(f"write {name} to {self.uri}"), self._open(name) as target:
            target.write(text.encode())

    def read_text(self, name: str) -> str:
        """Return the text of a small object that belongs to no generation."""
        with _told(f"read {name} from {self.uri}"), self._source(name) as source:
            return str(source.read(), "utf-8", "replace")

    def delete_texts(self, beginning: str) -> None:
        """Delete the objects whose name begins so."""
        with _told(f"delete {beginning} from {self.uri}"):
            for key in self._sizes():
                if key.startswith(beginning):
                    self._filesystem.delete_file(f"{self._path}/{key}")

    def _whole(self, sizes: Mapping[str, int]) -> Iterator[Generation]:
        """Yield the generations that are whole, newest first."""
        marks = (Mark.read(_MANIFEST, key) for key in sizes)
        for mark in sorted((mark for mark in marks if mark is not None), reverse=True):
            files = self._manifest(mark)
            if files is not None and all(
                sizes.get(content.key) == content.size_bytes for content in files.values()
            ):
                yield Generation(mark=mark, files=files)

    def _manifest(self, mark: Mark) -> dict[str, Content] | None:
        """Return the files that a manifest names; None if it is torn or has just gone."""
        with _told(f"read a manifest of {self.uri}"):
            try:
                with self._source(f"manifest-{mark}.json") as source:
                    text = source.read()
            except FileNotFoundError:
                return None
        try:
            files = json.loads(text)["files"]
            return {name: Content(**fields) for name, fields in files.items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def _drop_old(self, term: int) -> None:
        """Delete what no kept generation names; never what a writer of a later term has written."""
        sizes = self._sizes()
        kept = [generation for generation, _ in zip(self._whole(sizes), range(_KEPT), strict=False)]
        marks = {str(generation.mark) for generation in kept}
        keys = {content.key for generation in kept for content in generation.files.values()}
        for key in sizes:
            manifest = Mark.read(_MANIFEST, key)
            mark = manifest or Mark.read(_CONTENT, key)
            is_named = str(manifest) in marks if manifest else key in keys
            if mark is not None and mark.term <= term and not is_named:
                self._filesystem.delete_file(f"{self._path}/{key}")

    def _sizes(self, path: str | None = None) -> dict[str, int]:
        """Return the sizes of the objects by their keys."""
        from pyarrow.fs import FileSelector

        base = self._path if path is None else path
        with _told(f"list {self.uri}"):
            found = self._filesystem.get_file_info(
                FileSelector(base, recursive=True, allow_not_found=True)
            )
        return {info.path[len(base) :].lstrip("/"): info.size for info in found if info.is_file}

    def _source(self, key: str) -> Any:
        return self._filesystem.open_input_stream(f"{self._path}/{key}")

    def _open(self, key: str, path: str | None = None) -> Any:
        """Open an object to be written; only some stores need that its folder is made."""
        place = f"{self._path if path is None else path}/{key}"
        try:
            return self._filesystem.open_output_stream(place)
        except FileNotFoundError:
            self._filesystem.create_dir(place.rpartition("/")[0], recursive=True)
            return self._filesystem.open_output_stream(place)


def is_uri(where: str) -> bool:
    """Whether a place is in an object store, rather than a path.

    >>> is_uri("s3://bucket/runs"), is_uri("/mnt/runs")
    (True, False)
    """
    return "://" in where


def joined(uri: str, *names: str) -> str:
    """Return the place of something below a URI, whose options stay.

    >>> joined("s3://bucket/runs/?region=eu-west-1", "mnist", "0-trial")
    's3://bucket/runs/mnist/0-trial?region=eu-west-1'
    """
    place, mark, options = uri.partition("?")
    return "/".join([place.rstrip("/"), *names]) + mark + options


def new_writer() -> str:
    """Return a name for a writer that no other has."""
    return secrets.token_hex(4)


def _opened(uri: str) -> tuple[Any, str]:
    """Return the file system that a URI names, and the path in it."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    with _told(f"open {uri}"):
        try:
            filesystem, path = FileSystem.from_uri(uri)
        except pa.ArrowInvalid as unknown:
            import fsspec

            try:
                other, path = fsspec.core.url_to_fs(uri)
            except ValueError:
                raise unknown from None
            filesystem = PyFileSystem(FSSpecHandler(other))
    if not path.strip("/"):
        raise StorageError(f"object store: expected a place such as s3://BUCKET/PATH, got {uri!r}.")
    return filesystem, path.rstrip("/")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what could not be done, as akid's own error."""
    import pyarrow as pa

    try:
        yield
    except StorageError:
        raise
    except (OSError, ImportError, pa.ArrowException) as error:
        said = str(error).partition(" (Request ID")[0]
        raise StorageError(f"object store: can't {what}: {said}") from error


def _is_manifest(key: str) -> bool:
    return _MANIFEST.fullmatch(key) is not None
