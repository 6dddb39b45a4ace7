"""Neighbours: the modules beside an experiment's file that a trial's `setup` imports.

They are read and never imported. What is looked at are the import statements, wherever they stand,
those of the found modules included. Packages of Python itself and akid's own are none.
"""

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import decode_source
from pathlib import Path
from typing import Final, final

from akid.cluster.modules import Modules
from akid.errors import ExperimentError
from akid.tuning.identity import counted, digest, mark
from akid.tuning.template import Rendered, Template

_NEVER: Final = sys.stdlib_module_names | {"akid"}
_PACKAGE: Final = "__init__.py"
# The text of import statements: where that is the same, what is imported is.
_STATEMENTS: Final = re.compile(r"^.*\bimport\b(?:[^\n(]*\([^)]*\)|.*)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The neighbours of a trial.

    Attributes:
        modules: What they are.
        identity: What of it decides the trial's result, for its key: nothing without any.
    """

    modules: Modules
    identity: tuple[str, ...]


@final
class Neighbours:
    """Finds the neighbours of the trials of one template.

    Args:
        folder: The experiment's folder.
        template: Its template, whose renderings import what it imports, or less.
    """

    def __init__(self, folder: Path, template: Template) -> None:
        self._folder = folder
        self._template = template
        self._files: dict[str, _File | None] = {}
        self._by_statements: dict[tuple[str, ...], Found] = {}
        self._by_names: dict[tuple[str, ...], Found] = {}

    def of(self, rendered: Rendered) -> Found:
        """Return the neighbours of a rendering.

        Raises:
            ExperimentError: If one can't be read, or is no Python.
        """
        if not self._of_template.identity:
            return self._of_template
        statements = tuple(_STATEMENTS.findall(rendered.source))
        if statements not in self._by_statements:
            self._by_statements[statements] = self._of_source(rendered.source)
        return self._by_statements[statements]

    @cached_property
    def _of_template(self) -> Found:
        return self._of_source(self._template.source)

    def _of_source(self, source: str) -> Found:
        reached: dict[str, _File] = {}
        waiting = list(self._imported(_parsed(source), package=()))
        while waiting:
            file = waiting.pop()
            if file.name not in reached:
                reached[file.name] = file
                waiting += self._imported(file.tree, package=file.package)
        return self._found(tuple(sorted(reached)), reached)

    def _found(self, names: tuple[str, ...], reached: "dict[str, _File]") -> Found:
        if names not in self._by_names:
            files = [reached[name] for name in names]
            self._by_names[names] = Found(
                modules=Modules(
                    folder=str(self._folder), files={file.name: file.source for file in files}
                ),
                identity=tuple(digest(file.name, counted(mark(file.source)[0])) for file in files),
            )
        return self._by_names[names]

    def _imported(self, tree: ast.Module, *, package: tuple[str, ...]) -> "Iterator[_File]":
        """Give the files of what a module imports, with those of the packages around it."""
        for module in _modules(tree, package):
            if module[0] not in _NEVER:
                for length in range(1, len(module) + 1):
                    file = self._file("/".join(module[:length]))
                    if file is not None:
                        yield file

    def _file(self, place: str) -> "_File | None":
        if place not in self._files:
            paths = (f"{place}/{_PACKAGE}", f"{place}.py")
            there = (name for name in paths if (self._folder / name).is_file())
            name = next(there, None)
            self._files[place] = None if name is None else _read(self._folder, name)
        return self._files[place]


@dataclass(frozen=True, slots=True)
class _File:
    """A module's file: its path in the folder, what it says, and that as a tree."""

    name: str
    source: str
    tree: ast.Module

    @property
    def package(self) -> tuple[str, ...]:
        """The names of the package that it belongs to."""
        return tuple(self.name.split("/")[:-1])


def _read(folder: Path, name: str) -> _File:
    try:
        source = decode_source((folder / name).read_bytes())
        return _File(name, source, _parsed(source))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = "" if line is None else f", line {line}"
        raise ExperimentError(
            f"{folder / name}{where}: expected Python, as setup imports it, got:"
            f" {getattr(error, 'msg', None) or error}."
        ) from error


def _parsed(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _modules(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give the names of what may be modules in a module's import statements."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            base = (*around, *(node.module.split(".") if node.module else ()))
            yield from ((*base, alias.name) for alias in node.names)
