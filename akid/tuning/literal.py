"""Literal: how a parameter's value is written into source text."""

import ast
import re
from typing import Any, Final

# Of the quotes that would end a text in three of them.
_QUOTE_TOO_MANY: Final = re.compile(r'"(?=""|"?\Z)')


def literal(value: Any) -> str:
    """Return the Python expression that gives `value`; it can stand wherever one name could.

    >>> literal("relu"), literal(-0.5), literal([float("inf"), None])
    ("'relu'", '(-0.5)', "[float('inf'), None]")
    """
    text = bare_literal(value)
    return f"({text})" if text.startswith("-") else text


def bare_literal(value: Any) -> str:
    """Return the same as one writes it by itself: a negative number stands without brackets."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return repr(value)
    if isinstance(value, str):
        return repr(str.__str__(value))
    if isinstance(value, float):
        # repr gives nan and inf, which are names and no literals.
        return repr(value) if value - value == 0 else _not_finite(value)
    if isinstance(value, dict):
        items = [f"{bare_literal(k)}: {bare_literal(v)}" for k, v in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(bare_literal(v) for v in value) + "]"
    if isinstance(value, tuple):
        comma = "," if len(value) == 1 else ""
        return "(" + ", ".join(bare_literal(v) for v in value) + comma + ")"
    msg = (
        "expected None, a bool, an int, a float, a str, or a list, tuple or dict of those,"
        f" got {value!r} ({type(value).__name__})"
    )
    raise TypeError(msg)


def long_text(text: str) -> str:
    """Return the Python expression that gives a text of several lines, as such lines."""
    inside = _QUOTE_TOO_MANY.sub(r'\\"', text.replace("\\", "\\\\"))
    return f'"""\\\n{inside}"""'


def inside_text(written: str) -> str:
    r"""Return how a value of which `literal` gave `written` stands inside of a string.

    A text has no quotes of its own there, and a negative number no brackets; what would end the
    string, or escape, is escaped.

    >>> inside_text("'relu'"), inside_text("(-0.5)"), inside_text(repr("it's"))
    ('relu', '-0.5', "it\\'s")
    """
    text = written
    if written[0] in "'\"":
        text = ast.literal_eval(written)
    elif written.startswith("(-") and "," not in written:  # with a comma it is a tuple
        text = written[1:-1]
    both = "\"'"  # with both in it, `repr` escapes one kind and encloses by it
    return repr(both + text)[len(repr(both)) - 1 : -1].replace('"', '\\"')


def _not_finite(value: float) -> str:
    if value != value:  # noqa: PLR0124  only nan differs from itself
        return "float('nan')"
    return "float('inf')" if value > 0 else "-float('inf')"


def kind(text: str) -> str:
    """Return a literal that Python's grammar treats as it treats `text`, which `literal` gave."""
    first = text[0]
    if first in "'\"":
        return "''"
    if first.isdigit():
        return "1" if text.isdigit() else "1.0"
    if first in "[{":
        return first if text[1] in "]}" else f"{first}."
    if first == "(":
        return "(" if text[1] == ")" else "(-" if text[1] == "-" else "(."
    return text  # None, True, False, float('nan')
