"""Label: what a trial is called, from the parameters in which the trials of a sweep differ."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, final

from akid.tuning.grid import Cell, Paras
from akid.tuning.literal import literal

_LONGEST_VALUE: Final = 24
_LONGEST_PART: Final = 60
_MOST_DIGITS: Final = 8  # a float with more was drawn or computed, not written by a person
_LONGEST_SLUG: Final = 80
_MARK_DIGITS: Final = 3
_KIND_KEYS: Final = ("type", "name")  # {"type": "relu"} is called relu
_PLAIN: Final = re.compile(r"[\w.+/:-]+")
_NOT_IN_FILE_NAMES: Final = re.compile(r"[^A-Za-z0-9._=+-]+")


def flatten(which: str, paras: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the dotted names and the values of parameters; lists stay values.

    >>> list(flatten("net", {"activation": {"type": "relu"}, "bn": True}))
    [('net.activation.type', 'relu'), ('net.bn', True)]
    """
    for key, value in paras.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(f"{which}.{key}", value)
        else:
            yield f"{which}.{key}", value


def differing(cells: Iterable[Cell]) -> list[str]:
    """Return the dotted names of the parameters that are not the same in all cells.

    A parameter that some cells have and others have not differs, too. The order is that of the
    lists.
    """
    nets: dict[int, Paras] = {}
    opts: dict[int, Paras] = {}
    for cell in cells:
        nets[cell.net_index] = cell.net_paras
        opts[cell.opt_index] = cell.opt_paras
    return varying("net", list(nets.values())) + varying("opt", list(opts.values()))


def varying(which: str, paras_list: Sequence[Paras]) -> list[str]:
    """Return the dotted names of the parameters in which the items of one list differ.

    >>> varying("opt", [{"lr": 0.1, "decay": 1}, {"lr": 0.2, "decay": 1}])
    ['opt.lr']
    """
    flat = [dict(flatten(which, paras)) for paras in paras_list]
    names = dict.fromkeys(name for columns in flat for name in columns)
    return [
        name
        for name in names
        if len(_distinct(flat, name)) > 1 or any(name not in columns for columns in flat)
    ]


@final
class Labeller:
    """Give each cell of a grid a short name that says what it differs in.

    >>> labeller = Labeller([{"bn": True}, {"bn": False}], [{"lr": 0.1}], repeat_times=2)
    >>> labeller.label(net_index=1, opt_index=0, repeat=1)
    'bn=False #1'
    """

    def __init__(
        self, net_paras_list: Sequence[Paras], opt_paras_list: Sequence[Paras], repeat_times: int
    ) -> None:
        columns = ShortColumns(net_paras_list, opt_paras_list)
        self._nets = _parts("net", net_paras_list, columns)
        self._opts = _parts("opt", opt_paras_list, columns)
        self._repeated = repeat_times > 1
        self._width = len(str(repeat_times * len(net_paras_list) * len(opt_paras_list) - 1))

    def label(self, *, net_index: int, opt_index: int, repeat: int) -> str:
        """Return the name for people: `bn=True lr=0.05 #2`, where `#2` is the repeat."""
        number = f"#{repeat}" if self._repeated else ""
        parts = [self._nets[net_index], self._opts[opt_index], number]
        return " ".join(part for part in parts if part) or "trial"

    def slug(self, index: int, label: str) -> str:
        """Return the label as a file's name: the trial's index and the safe characters.

        >>> Labeller([{}], [{}], repeat_times=12).slug(3, "act='a b' #2")
        '03-act=_a_b_r2'
        """
        words = _NOT_IN_FILE_NAMES.sub("_", label.replace("#", "r"))
        return f"{index:0{self._width}d}-{words}"[:_LONGEST_SLUG]


@final
class ShortColumns:
    """The parameters in which two lists' items differ, with short names and short values.

    Attributes:
        names: Their dotted names, in the order of the lists.
        headers: The shortest end of each dotted name that no other has.

    >>> columns = ShortColumns([{"act": {"type": "relu"}}, {"act": {"type": "tanh"}}], [{}])
    >>> columns.headers, columns.texts({"net.act.type": "relu"})
    (['act'], ['relu'])
    """

    def __init__(self, net_paras_list: Sequence[Paras], opt_paras_list: Sequence[Paras]) -> None:
        lists = (("net", net_paras_list), ("opt", opt_paras_list))
        self.names = [name for which, paras_list in lists for name in varying(which, paras_list)]
        flat = [dict(flatten(which, paras)) for which, paras_list in lists for paras in paras_list]
        short = _short_names(self.names)
        self.headers = [short[name] for name in self.names]
        self._texts = {name: _short_values(_distinct(flat, name)) for name in self.names}

    def texts(self, values: Mapping[str, Any]) -> list[str]:
        """Return the short text of each column's value; empty where there is none."""
        return [
            self._texts[name][literal(values[name])] if name in values else ""
            for name in self.names
        ]


def _distinct(flat: Iterable[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return the distinct values of a column by their literals."""
    return {literal(columns[name]): columns[name] for columns in flat if name in columns}


def _parts(which: str, paras_list: Sequence[Paras], columns: ShortColumns) -> list[str]:
    """Return what each item of a list is called; no two alike."""
    parts: list[str] = []
    for index, paras in enumerate(paras_list):
        texts = zip(columns.headers, columns.texts(dict(flatten(which, paras))), strict=True)
        part = " ".join(f"{header}={text}" for header, text in texts if text)
        if len(part) > _LONGEST_PART or (len(paras_list) > 1 and (not part or part in parts)):
            part = f"{which}={index}"
        parts.append(part)
    return parts


def _short_names(columns: Sequence[str]) -> dict[str, str]:
    """Return for each dotted name the shortest of its ends that no other has."""
    ends = {column: list(_ends(column)) for column in columns}
    count = Counter(end for found in ends.values() for end in set(found))
    return {c: next((e for e in found if count[e] == 1), c) for c, found in ends.items()}


def _ends(column: str) -> Iterator[str]:
    parts = column.split(".")
    if parts[-1] in _KIND_KEYS and len(parts) > 2:
        parts = parts[:-1]
    for length in range(1, len(parts) + 1):
        yield _word(".".join(parts[-length:]))


def _short_values(distinct: Mapping[str, Any]) -> dict[str, str]:
    """Return a short text for each distinct value of a column; no two alike.

    What would be alike is told apart by the first digits of a hash of the value: it is called the
    same wherever it stands, and whatever stands beside it.
    """
    short = {key: _cut(_summary(value)) for key, value in distinct.items()}
    rounded = {key: text for key, value in distinct.items() if (text := _rounded(value))}
    taken = Counter([*short.values(), *rounded.values()])
    short |= {key: text for key, text in rounded.items() if taken[text] == 1}
    count = Counter(short.values())
    marks = _marks([key for key, text in short.items() if count[text] > 1])
    return {key: f"{text}~{marks[key]}" if key in marks else text for key, text in short.items()}


def _marks(keys: Sequence[str]) -> dict[str, str]:
    """Return the first digits of a hash of each key, as many as tell all apart."""
    hashes = {key: hashlib.sha256(key.encode()).hexdigest() for key in keys}
    length = _MARK_DIGITS
    while len({digits[:length] for digits in hashes.values()}) < len(hashes):
        length += 1
    return {key: digits[:length] for key, digits in hashes.items()}


def _rounded(value: Any) -> str:
    """Return four digits of a long float, and nothing for another value.

    >>> _rounded(0.0012345678901234), _rounded(0.025)
    ('0.001235', '')
    """
    is_long = isinstance(value, float) and value != float(f"{value:.{_MOST_DIGITS}g}")
    return f"{value:.4g}" if is_long and value - value == 0 else ""


def _summary(value: Any) -> str:
    """Return a readable, perhaps ambiguous text.

    >>> _summary([{"type": "maxout", "group_size": 2}, {"type": "maxout", "group_size": 5}])
    'maxout'
    >>> _summary([16, 16])
    '16,16'
    """
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple) and value:
        texts = [_summary(item) for item in value]
        return ",".join(texts if _are_numbers(value) else dict.fromkeys(texts))
    if isinstance(value, dict):
        kind = next((value[key] for key in _KIND_KEYS if isinstance(value.get(key), str)), None)
        return _word(kind) if kind else literal(value)
    return literal(value)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else literal(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 2]}.."
