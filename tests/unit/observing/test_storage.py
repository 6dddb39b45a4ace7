from pathlib import Path

import pytest

from akid.observing import storage


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Folders are made, nothing else is left."""
    path = tmp_path / "deep" / "picture.png"

    assert storage.write_bytes(path, b"one") == path
    storage.write_bytes(path, b"two")

    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_no_part(tmp_path: Path) -> None:
    """What was there stays as it was."""
    path = tmp_path / "picture.png"
    storage.write_bytes(path, b"one")

    with pytest.raises(TypeError):
        storage.write_bytes(path, "text")

    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
