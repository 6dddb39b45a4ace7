"""Modules: source that travels with a program, and is imported from there in whatever process.

So a trial's modules are those that it was planned with, also where their files change meanwhile,
or lie on another machine.
"""

import linecache
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import final


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Modules:
    """The modules beside a program's file, of which some travel with it.

    Attributes:
        folder: The file's folder, where Python looks first for what does not travel. On a machine
            that does not have it, the working folder is in its place: a cluster gets a copy there.
        files: The source of what travels, by its path in the folder, for example `nets/wide.py`.
    """

    folder: str
    files: Mapping[str, str] = field(default_factory=dict)

    def install(self) -> None:
        """Let this process import them from now on, in the place of others of their names."""
        self._enter()

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Let this process import them inside of the `with` block, and forget them behind it.

        Yields:
            None.
        """
        finder = self._enter()
        before = _roots_loaded()
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            with suppress(ValueError):  # the program may have changed the path
                sys.path.remove(finder.folder)
            new = _roots_loaded() - before
            _forget({name for name in new if _lies_in(name, Path(finder.folder))})

    def _enter(self) -> "_Finder":
        finder = _Finder(self)
        loaded = self._roots() & _roots_loaded()
        _forget({name for name in loaded if not _is_installed(name)})
        sys.meta_path.insert(0, finder)
        sys.path.insert(0, finder.folder)
        return finder

    def _roots(self) -> set[str]:
        """Return the names that the path of a module begins with."""
        return {file.partition("/")[0].removesuffix(".py") for file in self.files}


def current() -> Modules | None:
    """Return what this process imports, for processes that it hands work to; None for nothing."""
    finders = (finder for finder in sys.meta_path if isinstance(finder, _Finder))
    return next((finder.modules for finder in finders), None)


@final
class _Finder(MetaPathFinder):
    """Finds modules that travel; their files seem to lie in the folder."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        is_there = Path(modules.folder).is_dir()
        self.folder = str(Path(modules.folder).absolute() if is_there else Path.cwd())

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 (Python's name)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        place = fullname.replace(".", "/")
        files = self.modules.files
        within = [os.path.join(self.folder, place)]  # noqa: PTH118 (Python has strings)
        if (package := f"{place}/__init__.py") in files:
            return self._spec(fullname, package, within)
        if (file := f"{place}.py") in files:
            return self._spec(fullname, file, None)
        if any(name.startswith(f"{place}/") for name in files):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = within
            return spec
        return None

    def _spec(self, module: str, name: str, within: list[str] | None) -> ModuleSpec | None:
        file = os.path.join(self.folder, name)  # noqa: PTH118
        source = self.modules.files[name]
        # Tracebacks show what runs, and not what has become of the file.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        loader = _Loader(file, source)
        return spec_from_file_location(
            module, file, loader=loader, submodule_search_locations=within
        )


@final
class _Loader(ExecutionLoader):
    """Gives the source of one module."""

    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 (Python's name)
        return self._file

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        return self._source


def _roots_loaded() -> set[str]:
    """Return the names of the loaded modules that are in no package."""
    return {name for name in list(sys.modules) if "." not in name}  # threads may load others


def _forget(roots: Collection[str]) -> None:
    """Let modules, and what is in those that are packages, be imported anew by who asks next."""
    for name in list(sys.modules):
        if name.partition(".")[0] in roots:
            del sys.modules[name]


def _lies_in(name: str, folder: Path) -> bool:
    """Whether a module's source, or its package, lies in a folder itself."""
    module = sys.modules[name]
    file = getattr(module, "__file__", None)
    if file is None:
        return any(Path(place).parent == folder for place in getattr(module, "__path__", ()))
    path = Path(file)
    place = path.parent if path.name == "__init__.py" else path
    return path.suffix == ".py" and place.parent == folder


def _is_installed(name: str) -> bool:
    """Whether a module is one that more than one program uses, and that may not load twice."""
    file = getattr(sys.modules[name], "__file__", None) or ""
    return any(part.endswith("-packages") for part in Path(file).parts)
