"""Modules that travel with a program: which source is imported, and what stays of it."""

import importlib
import linecache
import sys
import traceback
from collections.abc import Iterator

import pytest

from akid.cluster.modules import Modules, current

FILES = {
    "travelling.py": "from near import beside\nfrom near.deep.inner import VALUE\nSEEN = []\n",
    "near/__init__.py": "NAME = __name__\n",
    "near/beside.py": "from . import NAME\nfrom .deep import inner\n",
    "near/deep/inner.py": "VALUE = 3\n",
}


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    """Put back what `install` changes for good."""
    path, finders, modules = list(sys.path), list(sys.meta_path), dict(sys.modules)
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]


def imported(name: str):
    return importlib.import_module(name)


def test_modules_are_imported_from_what_travels(tmp_path) -> None:
    """With their packages, also those without an `__init__.py`; nothing lies on the disk."""
    with Modules(folder=str(tmp_path), files=FILES).at_hand():
        found = imported("travelling")

        assert found.VALUE == 3
        assert found.beside.NAME == "near"
        assert found.__file__ == str(tmp_path / "travelling.py")
        assert imported("near.beside").__package__ == "near"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_has_changed_since_is_not_looked_at(tmp_path) -> None:
    """What does not travel is found in the folder."""
    (tmp_path / "travelling.py").write_text("VALUE = 'changed'")
    (tmp_path / "found_by_python.py").write_text("VALUE = 'here'")

    with Modules(folder=str(tmp_path), files={"travelling.py": "VALUE = 'planned'"}).at_hand():
        assert imported("travelling").VALUE == "planned"
        assert imported("found_by_python").VALUE == "here"


def test_nothing_stays(tmp_path) -> None:
    """A module keeps no state for the next program, and other versions are imported anew."""
    (tmp_path / "found_by_python.py").write_text("")
    before = list(sys.path), list(sys.meta_path), set(sys.modules)

    with Modules(folder=str(tmp_path), files=FILES).at_hand():
        imported("found_by_python")
        imported("travelling").SEEN.append(1)
    assert (list(sys.path), list(sys.meta_path), set(sys.modules)) == before
    with Modules(folder=str(tmp_path), files=FILES).at_hand():
        assert imported("travelling").SEEN == []


def test_a_program_may_change_the_path(tmp_path) -> None:
    """As trials do."""
    with Modules(folder=str(tmp_path)).at_hand():
        sys.path.remove(str(tmp_path))

    assert str(tmp_path) not in sys.path


def test_a_machine_without_the_folder_has_a_copy_to_work_in(tmp_path, monkeypatch) -> None:
    """There lie the data that a module has beside itself."""
    monkeypatch.chdir(tmp_path)

    with Modules(folder="/nowhere/at/all", files=FILES).at_hand():
        assert imported("travelling").__file__ == str(tmp_path / "travelling.py")


def test_what_is_installed_takes_the_place_of_others(tmp_path) -> None:
    """Of another program's modules, and of those that the process has had before."""
    (tmp_path / "travelling.py").write_text("VALUE = 0")
    sys.path.insert(0, str(tmp_path))
    assert imported("travelling").VALUE == 0

    for value in (1, 2):
        Modules(folder=str(tmp_path), files={"travelling.py": f"VALUE = {value}"}).install()
        assert value == imported("travelling").VALUE


def test_who_hands_work_on_is_told_what_is_at_hand(tmp_path) -> None:
    """So that other processes can be given it."""
    modules = Modules(folder=str(tmp_path), files=FILES)

    assert current() is None
    with modules.at_hand():
        assert current() is modules
    assert current() is None


def test_a_traceback_shows_what_ran(tmp_path) -> None:
    """Not what the file says now."""
    file = tmp_path / "travelling.py"
    file.write_text("'changed'\n")

    with Modules(folder=str(tmp_path), files={"travelling.py": "1 / 0  # planned\n"}).at_hand():
        with pytest.raises(ZeroDivisionError) as caught:
            imported("travelling")
        linecache.checkcache()
        text = "".join(traceback.format_exception(caught.value))

    assert f'{file}", line 1' in text
    assert "1 / 0  # planned" in text
