"""Signature: what `setup` may look like, and how each form is called without arguments."""

import ast
from collections.abc import Callable
from typing import Final

from akid.errors import TemplateError
from akid.tuning.identity import STATEMENT, uncounted

FILLED: Final = ("net_paras", "opt_paras")
"""What a hole knows, and what `setup` may take."""

Fail = Callable[[str, int], TemplateError]


def parse_setup(source: str, fail: Fail) -> ast.FunctionDef:
    """Return the function that a template's source is.

    Args:
        source: The template, which is Python as it stands.
        fail: Makes the error about a line of the source.

    Raises:
        TemplateError: If it is no Python, no function `setup` without decorators, or returns
            nothing.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise fail(
            f"expected a template that is Python as it stands: {getattr(error, 'msg', error)}."
            f" Statements are comment lines: {STATEMENT} if ..., {STATEMENT} endif",
            line,
        ) from error
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef) or body[0].name != "setup":
        raise fail("expected one function that is named setup, at the top level", 1)
    function = body[0]
    if function.decorator_list:
        line = function.decorator_list[0].lineno
        raise fail("setup can't have a decorator: only its source reaches a trial. Remove it", line)
    if not any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(function)):
        raise fail("setup returns nothing. It has to return the kid: return kid", 1)
    return function


def wrapper(function: ast.FunctionDef, fail: Fail) -> str:
    """Return the template's lines after `setup` that make it callable without arguments.

    Args:
        function: The function.
        fail: Makes the error about a line of the source.

    Raises:
        TemplateError: If it takes other arguments than it may.
    """
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    needed = names[: len(names) - len(arguments.defaults)]
    keyword = [
        a.arg
        for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    if not needed and not keyword:
        return ""
    if set(needed + keyword) <= set(FILLED) and not arguments.posonlyargs:
        given = ", ".join(f"{name}={{{{ {name} }}}}" for name in needed + keyword)
    elif len(needed) == 1 and not keyword:
        given = "None"
    else:
        listed = ", ".join(needed + keyword)
        raise fail(
            "expected setup(), setup(graph) or setup(net_paras, opt_paras), got"
            f" setup({listed}). Take parameters through holes, or as net_paras and opt_paras",
            1,
        )
    return uncounted("\n\n") + f"from functools import partial\n\nsetup = partial(setup, {given})\n"
