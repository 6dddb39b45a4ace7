"""Template: the source of `setup` with holes, which a cell of the grid fills.

A template is Python that parses as it stands. `{{ net_paras["bn"] }}` is a hole: whatever the
expression gives is put in as a Python literal; inside of a string a text has no quotes of its own.
A comment line that starts with `#%` is a statement: `#% if`, `#% elif`, `#% else`, `#% endif`,
`#% for`, `#% endfor`, `#% set`. All other text, `{%` and `{#` included, is ordinary Python.
"""

import inspect
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, final

import jinja2
from jinja2 import nodes

from akid.errors import TemplateError
from akid.tuning.error_text import text_of
from akid.tuning.identity import IN_TEXT, STATEMENT, counted, mark, shown
from akid.tuning.literal import inside_text, kind, literal
from akid.tuning.names import undefined_names
from akid.tuning.signature import FILLED, parse_setup, wrapper

_HOLE: Final = "\x00"  # before the text that a hole gives; Python source never holds it
_ALLOWED: Final = (nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A template filled for one cell.

    Attributes:
        source: A module's text; calling its `setup()` without arguments returns the kid.
        identity: The same without what doesn't count: comments, blank lines, trailing blanks.
        shape: The identity with every hole replaced by the kind of its value. Renderings of one
            shape compile or fail alike (see `Template.check`).
    """

    source: str
    identity: str
    shape: str


@final
class Template:
    r"""The source text of `setup` with holes for parameters.

    Args:
        source: The text of the function alone.
        name: How a message calls it: the file's name, for example.
        first_line: The line of that file at which `source` starts, so that messages give the file's
            own numbers.

    Raises:
        TemplateError: If it is no Python, no function `setup`, has a decorator, takes other
            arguments than it may, returns nothing, or its holes or statements can't be read.

    >>> template = Template('def setup():\n    return {{ opt_paras["lr"] }}\n', "example.py")
    >>> print(template.render({}, {"lr": 0.1}).source)
    def setup():
        return 0.1
    <BLANKLINE>
    """

    def __init__(self, source: str, name: str, *, first_line: int = 1) -> None:
        self.name: Final = name
        self.source: Final = source if source.endswith("\n") else f"{source}\n"
        self._first_line = first_line
        self._lines = self.source.splitlines()
        function = parse_setup(self.source, self._fail)
        marked, self._holes_stand_alone = mark(self.source)
        self._compiled = self._compile(marked + wrapper(function, self._fail))
        self._chunks: dict[str, tuple[str, str]] = {}
        self._checked: dict[str, TemplateError | None] = {}

    @classmethod
    def from_function(cls, setup: Callable[..., Any]) -> "Template":
        """Take the source of a function that is named `setup`.

        Raises:
            TemplateError: If it is no plain function of that name, or its source can't be read.
        """
        if not inspect.isfunction(setup) or setup.__name__ != "setup":
            raise TemplateError(
                "tune: expected a plain function that is named setup (its source is the template),"
                f" got setup={setup!r}."
            )
        try:
            lines, first_line = inspect.getsourcelines(setup)
        except (OSError, TypeError) as error:
            raise TemplateError(
                "tune: the source of setup can't be read, because it was not defined in a file or"
                f" a notebook ({error}). Put it into a file, and give that to"
                " `python -m akid.sweep`."
            ) from error
        name = setup.__code__.co_filename
        return cls(textwrap.dedent("".join(lines)), name, first_line=first_line)

    def render(self, net_paras: Mapping[str, Any], opt_paras: Mapping[str, Any]) -> Rendered:
        """Fill the holes with the parameters of one cell.

        Raises:
            TemplateError: If a key is missing or an expression fails; it shows the template's line.
        """
        given = {"net_paras": net_paras, "opt_paras": opt_paras}
        source, identity, shape = [], [], []
        is_in_text = False
        try:
            for chunk in self._compiled.generate(**given):
                if chunk.startswith(_HOLE):
                    text = inside_text(chunk[1:]) if is_in_text else chunk[1:]
                    source.append(text)
                    identity.append(text)
                    shape.append(kind(text) if self._holes_stand_alone else text)
                else:
                    text, essence = self._chunks.get(chunk) or self._split(chunk)
                    source.append(text)
                    identity.append(essence)
                    shape.append(essence)
                is_in_text = chunk.endswith(IN_TEXT)
        except Exception as error:
            raise self._missing(error, given) from error
        return Rendered(source="".join(source), identity="".join(identity), shape=_HOLE.join(shape))

    def check(self, rendered: Rendered) -> None:
        """Check that a rendering is Python, and that its `setup` uses no name from outside of it.

        A module's text is compiled once for each *shape*. That is sound: a hole that stands alone
        (not inside a string, not beside a name, a number, a dot or a quote) is filled with one
        complete expression, and Python's grammar looks at the kind of a literal (a number, a
        string, an empty or a filled bracket), never at its value. A template in which some hole
        does not stand alone is compiled for each distinct rendering.

        Raises:
            TemplateError: With the rendered line and its column, or the names that are missing.
        """
        if rendered.shape not in self._checked:
            self._checked[rendered.shape] = self._fault(rendered.source)
        error = self._checked[rendered.shape]
        if error is not None:
            raise TemplateError(str(error))

    def _fault(self, source: str) -> TemplateError | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(source, self.name, "exec")
                names = undefined_names(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return TemplateError(self._not_python(error, source))
        return TemplateError(self._outside(names)) if names else None

    def _not_python(self, error: Exception, source: str) -> str:
        if not isinstance(error, SyntaxError) or not error.lineno:
            return f"{self.name}: the rendered setup is not Python: {error}."
        lines = source.splitlines()
        line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        caret = " " * max(0, (error.offset or 1) - 1)
        return (
            f"{self.name}: the rendered setup is not Python: {error.msg}, at line {error.lineno},"
            f" column {error.offset} of what was rendered:\n    {line}\n    {caret}^\n"
            "A hole is filled with a Python literal; a string brings its own quotes, unless it"
            " stands inside of one."
        )

    def _outside(self, names: list[str]) -> str:
        listed = ", ".join(names)
        verb = "are" if len(names) > 1 else "is"
        if set(names) & set(FILLED):
            hint = (
                'Write it as a hole, {{ net_paras["key"] }}, or define setup(net_paras, opt_paras).'
            )
        else:
            hint = "Imports and constants go inside setup (and an annotation into quotes)."
        return (
            f"{self.name}: setup uses {listed}, which {verb} defined outside of it;"
            f" a trial gets nothing but the function. {hint}"
        )

    def _compile(self, marked: str) -> jinja2.Template:
        try:
            tree = _ENVIRONMENT.parse(marked)
            for statement in tree.iter_child_nodes():
                self._refuse_other_statements(statement)
            return _ENVIRONMENT.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            if "end of template" in (error.message or "") and (line := _left_open(self._lines)):
                word = self._lines[line - 1].replace(STATEMENT, "").split()[0]
                what = f"expected a line {STATEMENT} end{word} for this one, got the end of setup"
                raise self._fail(what, line) from error
            raise self._fail(
                f"the template can't be read: {error.message}", error.lineno
            ) from error
        except (SyntaxError, RecursionError) as error:  # of the Python that jinja makes of it
            what = f"a hole or a statement is not one that jinja can use: {error}"
            raise self._fail(what) from error

    def _refuse_other_statements(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Stmt) and not isinstance(node, _ALLOWED):
            kind = type(node).__name__.lower()
            raise self._fail(f"expected the statements if, for and set, got {kind}", node.lineno)
        for inner in node.iter_child_nodes():
            self._refuse_other_statements(inner)

    def _split(self, chunk: str) -> tuple[str, str]:
        """Return a stretch of the template's own text as it is shown and as it counts."""
        pair = shown(chunk), counted(chunk)
        self._chunks[chunk] = pair
        return pair

    def _missing(self, error: Exception, given: Mapping[str, Any]) -> TemplateError:
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == _JINJA_FILE
        ]
        line = lines[-1] if lines else None
        if isinstance(error, _MissingError):
            return self._fail(_what_is_missing(error, given), line)
        return self._fail(f"a hole can't be filled: {text_of(error)}", line)

    def _fail(self, what: str, line: int | None = None) -> TemplateError:
        """Return the error that shows the line of the template with its number in the file."""
        what = what if what.endswith((".", "?")) else f"{what}."
        if line is None or not 1 <= line <= len(self._lines):
            return TemplateError(f"{self.name}: {what}")
        number = self._first_line + line - 1
        return TemplateError(
            f"{self.name}, line {number}: {what}\n    {number} | {self._lines[line - 1].rstrip()}"
        )


class _MissingError(jinja2.UndefinedError):
    """A key, an item or a name that a hole asks for is not there."""

    def __init__(self, owner: Any, name: Any) -> None:
        super().__init__(f"no {name!r}")
        self.owner = owner
        self.name = name


class _Missing(jinja2.StrictUndefined):
    """Remember what was asked of what, so that the message can list what is known."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_args: Any, **_kwargs: Any) -> Any:
        raise _MissingError(self._undefined_obj, self._undefined_name)

    __iter__ = __str__ = __len__ = __bool__ = _fail_with_undefined_error
    __eq__ = __ne__ = __contains__ = __hash__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _fail_with_undefined_error
    __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = _fail_with_undefined_error
    __call__ = __getitem__ = _fail_with_undefined_error


def _what_is_missing(error: _MissingError, given: Mapping[str, Any]) -> str:
    owner, name = error.owner, error.name
    if owner is jinja2.utils.missing:
        listed = " and ".join(FILLED)
        return f"a hole knows {listed}, got {name!r}"
    if not isinstance(owner, Mapping | list | tuple):
        return f"{owner!r} has no {name!r}"
    path = next((found for key in FILLED for found in _find(given[key], owner, key)), "the value")
    if not isinstance(owner, Mapping):
        return f"{path} has {len(owner)} items, got the number {name!r}"
    known = sorted(map(str, owner))
    close = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(key) for key in known) or "none"
    return f"{path} has no key {name!r}. Known keys: {listed}.{hint}"


def _left_open(lines: Sequence[str]) -> int | None:
    """Return the number of the last line, from 1, whose statement has no end."""
    opened: list[int] = []
    for number, line in enumerate(lines, start=1):
        words = line.strip().removeprefix(STATEMENT).split()
        if not line.strip().startswith(STATEMENT) or not words:
            continue
        if words[0] in ("if", "for"):
            opened.append(number)
        elif words[0] in ("endif", "endfor") and opened:
            opened.pop()
    return opened[-1] if opened else None


def _find(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """Yield the path at which the object `wanted` itself stands."""
    if value is wanted:
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _find(item, wanted, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _find(item, wanted, f"{path}[{number}]")


@jinja2.pass_context  # so that jinja doesn't fold a constant hole into the text around it
def _fill(_context: jinja2.runtime.Context, value: Any) -> str:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises _MissingError
    return _HOLE + literal(value)


_JINJA_FILE: Final = "<template>"  # what jinja calls a template that comes from no file
_NEVER: Final = "\x04"
# Of jinja's own marks only holes and line statements are kept; Python has its uses for `{%` and
# `{#`.
_ENVIRONMENT: Final = jinja2.Environment(
    block_start_string=f"{_NEVER}%",
    block_end_string=f"%{_NEVER}",
    comment_start_string=f"{_NEVER}#",
    comment_end_string=f"#{_NEVER}",
    line_statement_prefix=STATEMENT,
    undefined=_Missing,
    finalize=_fill,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  the output is Python, no page
)
