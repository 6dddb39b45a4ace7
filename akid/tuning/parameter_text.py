"""Parameter text: a parameter as a tracking store keeps it, and the value back from it.

A store keeps texts. What is no string is written as a Python literal; a string stands as it is,
unless it would be read as something else: then it is quoted.
"""

import ast
import warnings
from typing import Any, Final

from akid.tuning.identity import digest
from akid.tuning.literal import bare_literal

_MAX_CHARS: Final = 6000  # of a parameter, MLflow REST API, "Log Param"
_CUT: Final = "... "
_KEPT_CHARS: Final = _MAX_CHARS - len(_CUT) - len(digest(""))


def write(value: Any) -> str:
    """Return a parameter's value as text; of a very long one the begin and a hash of all of it.

    >>> write("relu"), write(0.1), write("0.1"), write([1, "a"])
    ('relu', '0.1', "'0.1'", "[1, 'a']")
    """
    is_plain = isinstance(value, str) and isinstance(read(value), str) and read(value) == value
    text = value if is_plain else bare_literal(value)
    return text if len(text) <= _MAX_CHARS else f"{text[:_KEPT_CHARS]}{_CUT}{digest(text)}"


def read(text: str) -> Any:
    """Return the value that `write` gave the text for; of one that was cut, the text.

    >>> read("relu"), read("0.1"), read("'0.1'"), read("[1, 'a']")
    ('relu', 0.1, '0.1', [1, 'a'])
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's, about strange strings that are no code
            tree = ast.parse(text, mode="eval")
        return ast.literal_eval(_Numbers().visit(tree))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


class _Numbers(ast.NodeTransformer):
    """Put the numbers that have no literal in the place of the calls that `literal` writes."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        for name in ("nan", "inf"):
            if ast.unparse(node) == f"float({name!r})":
                return ast.Constant(float(name))
        return node
