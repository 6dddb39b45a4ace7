"""Names: what a module's functions use from outside of themselves."""

import builtins
import symtable
from collections.abc import Iterator
from typing import Final

_MODULE_NAMES: Final = frozenset(dir(builtins)) | {"__name__", "__doc__", "__builtins__"}


def undefined_names(source: str) -> list[str]:
    r"""Return the names that a module's functions use and that are neither its own nor built in.

    >>> undefined_names("def setup():\n    return np.zeros(len(shape))\n")
    ['np', 'shape']
    """
    module = symtable.symtable(source, "setup", "exec")
    own = {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported()}
    used: set[str] = set()
    for table in _tables(module):
        for symbol in table.get_symbols():
            name = symbol.get_name()
            if symbol.is_declared_global() and symbol.is_assigned():
                own.add(name)
            elif symbol.is_referenced() and (symbol.is_global() or table is module):
                used.add(name)
    return sorted(used - own - _MODULE_NAMES)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
