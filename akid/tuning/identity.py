"""Identity: what of a template's text counts when two trials are compared, and the hash of it.

Comments, blank lines and trailing blanks don't count. The template is marked once, by Python's own
tokeniser, so that each rendering falls into what is shown and what counts without being looked at
again.
"""

import hashlib
import io
import re
import tokenize
from itertools import pairwise
from typing import Final

STATEMENT: Final = "#%"  # a comment line that starts so is a statement of the template

# Characters that Python source never holds, so that they can mark stretches of a template.
_OPEN: Final = "\x01"  # before a stretch that doesn't count
_CLOSE: Final = "\x02"  # after it
_INERT: Final = "\x03"  # between two braces: keeps a hole in a comment from being filled
IN_TEXT: Final = "\x05"  # before a hole inside of a string
_HOLE_IN_TEXT: Final = re.compile(r"\{\{(?!-)(?=.*?\}\})", re.DOTALL)  # `{{-` trims what is before
_ESCAPE_BEGUN: Final = re.compile(r"(?<!\\)(?:\\\\)*\\[0-7]{0,2}$")
_UNCOUNTED: Final = re.compile(f"{_OPEN}[^{_CLOSE}]*{_CLOSE}")
_UNCOUNTED_LINE: Final = re.compile(f"{_OPEN}([^{_CLOSE}]*)\n{_CLOSE}")
_BEFORE_STATEMENT: Final = re.compile(
    f"\n((?:{_UNCOUNTED_LINE.pattern})+)(?=[ \\t]*{re.escape(STATEMENT)})"
)
_MARKS: Final = str.maketrans("", "", _OPEN + _CLOSE + _INERT + IN_TEXT)
_BETWEEN: Final = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})


def digest(*parts: str) -> str:
    """Return 20 hex digits that stand for the parts and their order.

    >>> digest("a", "b") == digest("ab")
    False
    """
    text = "\x1f".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:20]


def uncounted(text: str) -> str:
    """Mark text that is shown and doesn't count."""
    return f"{_OPEN}{_inert(text)}{_CLOSE}"


def shown(marked: str) -> str:
    """Return a stretch of a marked template as it was written."""
    return marked.translate(_MARKS)


def counted(marked: str) -> str:
    """Return what counts of a stretch of a marked template."""
    return _UNCOUNTED.sub("", marked).translate(_MARKS)


def mark(source: str) -> tuple[str, bool]:
    """Mark what doesn't count in a template, and tell whether all of its holes stand alone."""
    tokens = _tokens(source)
    in_strings = any("{{" in t.string for t in tokens if t.type == tokenize.STRING)
    stand_alone = not in_strings and _stand_alone(source, tokens)
    if in_strings:
        source = _with_holes_in_text(source, tokens)
        tokens = _tokens(source)
    lines = _lines(source)
    comments = {t.start[0]: t.start[1] for t in tokens if t.type == tokenize.COMMENT}
    inside_strings = _lines_inside_strings(tokens)
    marked = [
        _mark_line(line, comments.get(number), ends_inside=number in inside_strings)
        for number, line in enumerate(lines, start=1)
    ]
    return _BEFORE_STATEMENT.sub(_turned, "".join(marked)), stand_alone


def _tokens(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def _lines(source: str) -> list[str]:
    """Return the lines as the tokeniser counts them; `splitlines` knows more ends."""
    return io.StringIO(source).readlines()


def _with_holes_in_text(source: str, tokens: list[tokenize.TokenInfo]) -> str:
    """Mark the holes inside of strings.

    Raw strings and bytes have no escapes for all that a text may hold, and an f-string has its own
    use for braces: their holes are filled with literals.
    """
    lines = _lines(source)
    for token in reversed(tokens):
        prefix = token.string[: len(token.string) - len(token.string.lstrip("rRbBfFuU"))]
        if token.type != tokenize.STRING or prefix.lower() not in ("", "u"):
            continue
        (first, begin), (last, end) = token.start, token.end
        before, after = lines[first - 1][:begin], lines[last - 1][end:]
        text = before + _HOLE_IN_TEXT.sub(_marked_hole, token.string) + after
        lines[first - 1 : last] = [text]
    return "".join(lines)


def _marked_hole(hole: re.Match[str]) -> str:
    """Mark a hole, unless an escape before it would take the text's begin for its own end."""
    is_taken = _ESCAPE_BEGUN.search(hole.string, 0, hole.start())
    return hole[0] if is_taken else f"{IN_TEXT}{hole[0]}"


def _lines_inside_strings(tokens: list[tokenize.TokenInfo]) -> set[int]:
    """Return the numbers of the lines whose end lies inside a string."""
    return {
        number
        for token in tokens
        if token.type not in _BETWEEN
        for number in range(token.start[0], token.end[0])
    }


def _mark_line(line: str, comment: int | None, *, ends_inside: bool) -> str:
    if ends_inside:
        return line
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    code = body if comment is None else body[:comment]
    if not code.strip():
        if comment is not None and body[comment:].startswith(STATEMENT):
            return line
        return uncounted(line)
    kept = code.rstrip()
    dropped = body[len(kept) :]
    return f"{kept}{uncounted(dropped)}{end}" if dropped else line


def _turned(stretches: re.Match[str]) -> str:
    """Move each line's end to its begin, so that the statement behind them begins a line."""
    return _UNCOUNTED_LINE.sub(f"{_OPEN}\n\\1{_CLOSE}", stretches[1]) + "\n"


def _inert(text: str) -> str:
    """Keep jinja from seeing a hole in a comment, which stays as it was written."""
    return text.replace("{{", f"{{{_INERT}{{")


def _stand_alone(source: str, tokens: list[tokenize.TokenInfo]) -> bool:
    """Whether no hole touches a name, a number, a string or a dot."""
    touching = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
    closing = "}}"
    lines = _lines(source)
    for before, after in pairwise(tokens):
        if before.end != after.start:
            continue
        row, column = after.start
        line = lines[row - 1] if row <= len(lines) else ""
        opens = line[column : column + 2] == "{{"
        closes = line[max(0, column - 2) : column] == closing
        if opens and (before.type in touching or before.string == "."):
            return False
        if closes and (after.type in touching or after.string == "."):
            return False
    return True
