"""What is written to an object store, and what is found there after a writer has died."""

import io
import uuid
from pathlib import Path

import pytest

from akid.cluster.object_folder import Generation, Mark, ObjectFolder, new_writer
from akid.errors import StorageError

WRITER = "0123abcd"


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a place that pyarrow knows, then one that only fsspec knows."""
    return f"file://{tmp_path}/a" if request.param == "file" else f"memory://{uuid.uuid4().hex}/a"


@pytest.fixture
def folder(uri: str) -> ObjectFolder:
    return ObjectFolder(uri)


def write(folder: ObjectFolder, mark: Mark, **texts: str) -> Generation:
    files = {
        name: folder.put(name, io.BytesIO(text.encode()), mark) for name, text in texts.items()
    }
    generation = Generation(mark=mark, files=files)
    folder.seal(generation)
    return generation


def texts(folder: ObjectFolder, tmp_path: Path) -> dict[str, str]:
    """Return what the newest generation says, read into files."""
    newest = folder.newest()
    read = {}
    for name, content in newest.files.items() if newest else ():
        assert folder.fetch(content, tmp_path / "read" / name)
        read[name] = (tmp_path / "read" / name).read_text()
    return read


def objects(folder: ObjectFolder) -> list[str]:
    return sorted(folder._sizes())


def test_what_was_written_is_read(folder, tmp_path) -> None:
    """Names may have folders; an empty file is one, too."""
    assert folder.newest() is None
    write(folder, Mark(1, WRITER, 0), **{"model/best.pt": "weights", "rows.jsonl": ""})

    assert texts(folder, tmp_path) == {"model/best.pt": "weights", "rows.jsonl": ""}


def test_marks_are_in_order() -> None:
    """A later term is greater whatever its writer did; a name that is none has no mark."""
    assert Mark(2, "00000000", 0) > Mark(1, "ffffffff", 99) > Mark(1, "ffffffff", 98)
    assert new_writer() != new_writer()


def test_a_torn_upload_is_passed_over_and_deleted_by_the_next(folder, tmp_path) -> None:
    """The contents of a generation without its manifest count for nothing."""
    write(folder, Mark(1, WRITER, 0), rows="old")
    folder.put("rows", io.BytesIO(b"torn"), Mark(1, WRITER, 1))

    assert texts(folder, tmp_path) == {"rows": "old"}
    write(folder, Mark(1, WRITER, 2), rows="new")
    assert texts(folder, tmp_path) == {"rows": "new"}
    assert objects(folder) == [
        "manifest-000001-0123abcd-000000.json",
        "manifest-000001-0123abcd-000002.json",
        "rows.000001-0123abcd-000000",
        "rows.000001-0123abcd-000002",
    ]


@pytest.mark.parametrize("fault", ["manifest", "content", "gone"])
def test_a_damaged_generation_gives_way_to_the_one_before(folder, tmp_path, fault) -> None:
    """Whether its manifest is torn, or a content is or has gone."""
    write(folder, Mark(1, WRITER, 0), rows="old")
    write(folder, Mark(1, WRITER, 1), rows="new one")
    manifest, content = "manifest-000001-0123abcd-000001.json", "rows.000001-0123abcd-000001"
    if fault == "manifest":
        folder.write_text(manifest, '{"files": {"rows"')
    elif fault == "content":
        folder.write_text(content, "new")
    else:
        folder.delete_texts(content)

    assert texts(folder, tmp_path) == {"rows": "old"}


def test_a_content_that_differs_from_its_checksum_is_not_read(folder, tmp_path) -> None:
    """No file is left that could be taken for it."""
    generation = write(folder, Mark(1, WRITER, 0), rows="right")
    folder.write_text("rows.000001-0123abcd-000000", "wrong")

    assert not folder.fetch(generation.files["rows"], tmp_path / "read" / "rows")
    assert list((tmp_path / "read").iterdir()) == []


def test_only_two_generations_stay(folder) -> None:
    """What both name is written once."""
    mark = Mark(1, WRITER, 0)
    kept = folder.put("best", io.BytesIO(b"weights"), mark)
    for number in range(4):
        files = {
            "best": kept,
            "rows": folder.put("rows", io.BytesIO(b"x"), Mark(1, WRITER, number)),
        }
        folder.seal(Generation(mark=Mark(1, WRITER, number), files=files))

    assert objects(folder) == [
        "best.000001-0123abcd-000000",
        "manifest-000001-0123abcd-000002.json",
        "manifest-000001-0123abcd-000003.json",
        "rows.000001-0123abcd-000002",
        "rows.000001-0123abcd-000003",
    ]


def test_an_earlier_writer_deletes_nothing_of_a_later_one(folder, tmp_path) -> None:
    """Neither what is sealed nor what is on its way; the later one's counts."""
    write(folder, Mark(1, WRITER, 0), rows="first")
    write(folder, Mark(2, "ffff0000", 0), rows="second")
    later = folder.put("rows", io.BytesIO(b"third"), Mark(2, "ffff0000", 1))
    write(folder, Mark(1, WRITER, 1), rows="late")

    assert texts(folder, tmp_path) == {"rows": "second"}
    folder.seal(Generation(mark=Mark(2, "ffff0000", 1), files={"rows": later}))
    assert texts(folder, tmp_path) == {"rows": "third"}


def test_what_is_set_aside_has_a_number(folder, tmp_path) -> None:
    """Nothing is lost, also the second time."""
    for text in ("first", "second"):
        write(folder, Mark(1, WRITER, 0), rows=text)
        folder.set_aside()

    assert folder.newest() is None
    assert texts(ObjectFolder(f"{folder.uri}~1"), tmp_path) == {"rows": "first"}
    assert texts(ObjectFolder(f"{folder.uri}~2"), tmp_path) == {"rows": "second"}


def test_small_texts_come_and_go(folder) -> None:
    """A probe, and the answers to it."""
    folder.write_text(".akid-1", "a")
    folder.write_text(".akid-1-host", "b")

    assert folder.read_text(".akid-1-host") == "b"
    folder.delete_texts(".akid-1")
    with pytest.raises(StorageError, match=r"can't read \.akid-1 from"):
        folder.read_text(".akid-1")


@pytest.mark.parametrize("uri", ["nothing://bucket/a", "s3://", "memory://"])
def test_what_is_no_place_is_told(uri) -> None:
    """By akid's own error, with the URI."""
    with pytest.raises(StorageError, match=uri):
        ObjectFolder(uri)
