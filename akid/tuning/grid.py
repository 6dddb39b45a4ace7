"""Grid: the parameter lists, and what one combination of them is.

A parameter is a value that can be written down as a Python literal: None, a bool, an int, a float,
a str, and lists, tuples and dicts (with str keys) of those; or a distribution of such values (see
`akid.tuning.space`). Whatever else stands in a list is an error that says where it stands.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from akid.errors import GridError
from akid.tuning.space import Distribution, parse

_MAX_DEPTH: Final = 50  # Python's own parser gives up at about 200 brackets
_MAX_DIGITS: Final = 4_000  # Python refuses to read or write longer integers
_BARE_WORD: Final = re.compile(r"[^\W\d][\w./+-]*")
_OPENING: Final = "([{"
_CLOSING: Final = ")]}"
_BACKSLASH: Final = "\\"

Paras = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One combination of the grid and one repeat of it.

    Attributes:
        index: Its place in the documented order, from 0; also the index into a list of GPU numbers.
        repeat: Which repeat it is, from 0.
        opt_index: Which of the sweep's optimisation parameters it has.
        net_index: Which of the sweep's network parameters it has.
        net_paras: The network parameters.
        opt_paras: The optimisation parameters.
    """

    index: int
    repeat: int
    opt_index: int
    net_index: int
    net_paras: Paras
    opt_paras: Paras


def check_parameter_list(name: str, value: object) -> tuple[Paras, ...]:
    """Return the items of a parameter list as plain Python values.

    Scalars of numpy, and other subclasses of Python's own values, become the plain value.

    Raises:
        GridError: If it is no list, is empty, or holds something that is no dict of literals; all
            faults at once.

    >>> check_parameter_list("opt_paras_list", [{"lr": 0.1}])
    ({'lr': 0.1},)
    """
    items, faults = plain_parameter_list(name, value)
    if faults:
        raise GridError("\n".join(faults))
    return items


def plain_parameter_list(name: str, value: object) -> tuple[tuple[Paras, ...], list[str]]:
    """Return a parameter list's plain items and its faults (see `check_parameter_list`)."""
    if not isinstance(value, list | tuple):
        hint = " Wrap it in a list: [{...}]." if isinstance(value, Mapping) else ""
        return (), [f"{name}: expected a list of dicts, got {name}={_shown(value)}.{hint}"]
    if not value:
        hint = (
            f"Leave {name} out to run with no parameters of that kind, or give it one item: [{{}}]."
        )
        return (), [f"{name}: expected at least one item, got {name}={value!r}. {hint}"]
    faults: list[str] = []
    items = [_plain_item(item, f"{name}[{number}]", faults) for number, item in enumerate(value)]
    return tuple(items), faults


def _plain_item(item: object, where: str, faults: list[str]) -> Paras:
    if not isinstance(item, dict):
        faults.append(f"{where}: expected a dict of parameters, got {where}={_shown(item)}.")
        return {}
    plain: Paras = _plain(item, where, faults, 0)
    return plain


def _plain(value: Any, where: str, faults: list[str], depth: int) -> Any:
    """Return `value` as a plain Python value; add what can't be one to `faults`."""
    if depth > _MAX_DEPTH:
        faults.append(f"{where}: expected at most {_MAX_DEPTH} levels of nesting, got more.")
        return None
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Distribution):
        arguments = _plain(value.arguments, where, faults, depth + 1)
        return Distribution(value.name, arguments)
    if isinstance(value, dict):
        return _plain_dict(value, where, faults, depth)
    if isinstance(value, list | tuple):
        items = [_plain(v, f"{where}[{i}]", faults, depth + 1) for i, v in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return _plain_scalar(value, where, faults)


def _plain_dict(value: Mapping[Any, Any], where: str, faults: list[str], depth: int) -> Paras:
    plain: Paras = {}
    for key, item in value.items():
        if isinstance(key, str):
            plain[str.__str__(key)] = _plain(item, f"{where}[{key!r}]", faults, depth + 1)
        else:
            faults.append(f"{where}: expected keys that are strings, got the key {_shown(key)}.")
    return plain


def _plain_scalar(value: Any, where: str, faults: list[str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and abs(value) < 10**_MAX_DIGITS:
        return int(value)
    got = f"an integer of more than {_MAX_DIGITS} digits" if isinstance(value, int) else None
    faults.append(
        f"{where}: expected None, a bool, an int, a float, a str, or a list, tuple or dict of"
        f" those, got {got or _shown(value)}.{_hint(value)}"
    )
    return None


def _hint(value: object) -> str:
    if hasattr(value, "tolist"):
        return " Turn an array into a list: .tolist()."
    if callable(value):
        return " Give its name as a string, and look it up inside setup."
    return ""


def _shown(value: object, limit: int = 80) -> str:
    text = f"{value!r} ({type(value).__name__})"
    return text if len(text) <= limit else f"{text[:limit]}... ({type(value).__name__})"


def parse_setting(text: str) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """Read what `--set` was given: which list, the path of the key, and its new values.

    Values are Python literals with commas between them; a bare word is a string, and a call such as
    `loguniform(1e-4, 1e-1)` a distribution.

    Raises:
        GridError: If it can't be read; the message shows how to write it.

    >>> parse_setting("opt.lr=0.1,0.2")
    ('opt', ('lr',), (0.1, 0.2))
    >>> parse_setting("net.activation.type=relu,maxout")
    ('net', ('activation', 'type'), ('relu', 'maxout'))
    """
    target, equals, values = text.partition("=")
    which, *path = (part.strip() for part in target.split("."))
    if not equals or which not in ("net", "opt") or not path or not all(path):
        raise GridError(
            f"--set: expected net.KEY=VALUE,... or opt.KEY=VALUE,..., got {text!r}."
            " For example --set opt.lr=0.1,0.2"
        )
    parsed = tuple(_parse_value(part, text) for part in _split(values))
    items, faults = plain_parameter_list(f"--set {target}", [{"value": value} for value in parsed])
    if faults:
        raise GridError("\n".join(faults))
    return which, tuple(path), tuple(item["value"] for item in items)


def _parse_value(part: str, text: str) -> Any:
    part = part.strip()
    try:
        return ast.literal_eval(part)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        distribution = parse(part)
    except GridError as error:
        raise GridError(f"--set: {error}") from error
    if distribution is not None:
        return distribution
    if part in ("true", "false", "none", "null"):
        raise GridError(
            f"--set: expected True, False or None with a capital, got {part!r} in {text!r}."
            f" For the string, write it in quotes: '\"{part}\"'."
        )
    if not _BARE_WORD.fullmatch(part):
        raise GridError(
            f"--set: expected Python literals with commas between them, got {part!r} in {text!r}."
            " Put a string that is not one word into quotes, and the whole setting into the"
            " shell's quotes."
        )
    return part


def _split(text: str) -> list[str]:
    """Cut at the commas that stand outside of brackets and quotes."""
    parts, start, depth, quote, escaped = [], 0, 0, "", False
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == _BACKSLASH and not escaped
        elif char in "\"'":
            quote = char
        elif char in _OPENING or char in _CLOSING:
            depth += 1 if char in _OPENING else -1
        elif char == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def override(
    paras_list: Sequence[Paras],
    key: str | Sequence[str],
    values: Sequence[Any],
    *,
    name: str = "list",
) -> tuple[Paras, ...]:
    """Give a key other values: drop it from each item and what is then double, cross with `values`.

    Args:
        paras_list: The items as they were.
        key: The key, or its path into nested dicts.
        values: The new values.
        name: How the list is called in a message.

    Raises:
        GridError: If no item has that key (the known ones are listed), or `values` is empty.

    >>> override([{"lr": 0.1, "decay": 1}, {"lr": 0.2, "decay": 1}], "lr", [0.3, 0.4])
    ({'lr': 0.3, 'decay': 1}, {'lr': 0.4, 'decay': 1})
    """
    path = (key,) if isinstance(key, str) else tuple(key)
    if not values:
        raise GridError(f"{name}: expected at least one value for {'.'.join(path)}, got none.")
    if not any(_has(item, path) for item in paras_list):
        raise GridError(_unknown_key(paras_list, path, name))
    bases: dict[str, Paras] = {}
    for item in paras_list:
        bases.setdefault(repr(_sorted(_set(item, path, None))), item)
    return tuple(_set(item, path, value) for item in bases.values() for value in values)


def _has(item: object, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(item, dict) or key not in item:
            return False
        item = item[key]
    return True


def _set(item: Paras, path: Sequence[str], value: Any) -> Paras:
    """Return a copy of `item` that has `value` at `path`."""
    copy = deepcopy(item)
    inner = copy
    for key in path[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[path[-1]] = deepcopy(value)
    return copy


def _sorted(value: Any) -> Any:
    """Order dicts by their keys, so that equal parameters have one `repr`."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return type(value)(_sorted(item) for item in value)
    return value


def _unknown_key(paras_list: Sequence[Paras], path: Sequence[str], name: str) -> str:
    wanted = ".".join(path)
    known = sorted({key for item in paras_list for key in _paths(item)})
    close = get_close_matches(wanted, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(known) if known else "none"
    return f"{name}: expected a key that an item has, got {wanted!r}. Known keys: {listed}.{hint}"


def _paths(item: Paras, prefix: str = "") -> Iterator[str]:
    for key, value in item.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
