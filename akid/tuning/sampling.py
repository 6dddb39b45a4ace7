"""Sampling: which combinations of the parameter lists are tried, and with which drawn values.

Without a sample it is each combination once. A sample of N takes N combinations at random; one
whose parameters have distributions is drawn again and again, one without is taken once. The choice
depends on the seed and on what stands in the lists, not on their order: a larger sample contains
the smaller one. All repeats of a combination are kept together.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from akid.tuning.grid import Cell, Paras
from akid.tuning.literal import literal
from akid.tuning.number_text import amount
from akid.tuning.space import Distribution, distributions, fill

_MAX_DOUBLE_DRAWS: Final = 1000  # in a row, of laws with few values, before no more are sought
_BITS: Final = 53  # of a float's mantissa

_Place = tuple[int, int]  # an item of a list, and the number of its draw
_Combination = tuple[_Place, _Place]  # of the optimisation and of the network parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The combinations that are tried, without any distribution left.

    Attributes:
        nets: The network parameters, each draw an item of its own.
        opts: The optimisation parameters, each draw an item of its own.
        combinations: Indices of `opts` and `nets`, in the documented order: nets fastest.
        n_cells: How many combinations the lists have.
        is_drawn: Whether there are drawn values.
    """

    nets: tuple[Paras, ...]
    opts: tuple[Paras, ...]
    combinations: tuple[tuple[int, int], ...]
    n_cells: int
    is_drawn: bool

    @property
    def extent(self) -> str:
        """How many combinations there are, in words: `2 opts x 3 nets`, `4 of 6 combinations`."""
        if self.is_drawn:
            of = amount(self.n_cells, "combination")
            return f"{amount(len(self.combinations), 'draw')} from {of}"
        if len(self.combinations) < self.n_cells:
            return f"{len(self.combinations)} of {self.n_cells} combinations"
        return f"{amount(len(self.opts), 'opt')} x {amount(len(self.nets), 'net')}"

    def cells(self, repeat_times: int) -> Iterator[Cell]:
        """Yield a cell for each repeat of each combination, repeats outside."""
        number = count()
        for repeat in range(repeat_times):
            for opt_index, net_index in self.combinations:
                yield Cell(
                    index=next(number),
                    repeat=repeat,
                    opt_index=opt_index,
                    net_index=net_index,
                    net_paras=self.nets[net_index],
                    opt_paras=self.opts[opt_index],
                )


def sampled(
    net_paras_list: Sequence[Paras],
    opt_paras_list: Sequence[Paras],
    *,
    seed: int,
    sample: int | None = None,
) -> Grid:
    """Return the combinations that are tried.

    Args:
        net_paras_list: The network parameters, which may have distributions in them.
        opt_paras_list: The optimisation parameters, alike.
        seed: What chance depends on.
        sample: How many combinations; None for each once.

    >>> sampled([{}], [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}], seed=0, sample=2).opts
    ({'lr': 0.2}, {'lr': 0.3})
    """
    nets, opts = _Items("net", net_paras_list, seed), _Items("opt", opt_paras_list, seed)
    is_drawn = bool(nets.drawn or opts.drawn)
    if sample is None and not is_drawn:
        combinations = [((o, 0), (n, 0)) for o in range(len(opts)) for n in range(len(nets))]
    else:
        combinations = sorted(_chosen(nets, opts, seed, sample))
    return _grid(nets, opts, combinations, is_drawn=is_drawn)


def listed(pairs: Sequence[tuple[Paras, Paras]], n_cells: int) -> Grid:
    """Return the grid of these network and optimisation parameters, each combination once."""
    nets, opts = {literal(net): net for net, _ in pairs}, {literal(opt): opt for _, opt in pairs}
    net_places, opt_places = list(nets), list(opts)
    combinations = dict.fromkeys(
        (opt_places.index(literal(opt)), net_places.index(literal(net))) for net, opt in pairs
    )
    return Grid(
        nets=tuple(nets.values()),
        opts=tuple(opts.values()),
        combinations=tuple(combinations),
        n_cells=n_cells,
        is_drawn=True,
    )


class _Items:
    """A parameter list, and the draws of its items."""

    def __init__(self, which: str, paras_list: Sequence[Paras], seed: int) -> None:
        self.drawn = {
            index
            for index, paras in enumerate(paras_list)
            if next(distributions(paras, which), None) is not None
        }
        self.texts = [repr(paras) for paras in paras_list]
        self._which = which
        self._paras_list = paras_list
        self._seed = seed
        self._known: dict[_Place, tuple[Paras, str]] = {}

    def __len__(self) -> int:
        return len(self._paras_list)

    def paras(self, place: _Place) -> Paras:
        """Return the parameters of an item's draw."""
        return self._draw(place)[0] if place[0] in self.drawn else self._paras_list[place[0]]

    def text(self, place: _Place) -> str:
        """Return the same as text."""
        return self._draw(place)[1] if place[0] in self.drawn else self.texts[place[0]]

    def _draw(self, place: _Place) -> tuple[Paras, str]:
        if place not in self._known:
            index, number = place

            def pick(path: str, law: Distribution) -> Any:
                return law.draw(_unit(str(self._seed), self.texts[index], str(number), path))

            paras = fill(self._paras_list[index], self._which, pick)
            self._known[place] = paras, literal(paras)
        return self._known[place]


def _chosen(nets: _Items, opts: _Items, seed: int, sample: int | None) -> list[_Combination]:
    """Return the first distinct combinations of the order in which chance takes them."""
    chosen: list[_Combination] = []
    seen: set[tuple[str, str]] = set()
    doubles = 0
    for combination in _taken(nets, opts, seed, once=sample is None):
        if len(chosen) == sample or doubles == _MAX_DOUBLE_DRAWS:
            break
        opt, net = combination
        if opt[0] in opts.drawn or net[0] in nets.drawn:
            text = opts.text(opt), nets.text(net)
            doubles = doubles + 1 if text in seen else 0
            if text in seen:
                continue
            seen.add(text)
        chosen.append(combination)
    return chosen


def _taken(nets: _Items, opts: _Items, seed: int, *, once: bool) -> Iterator[_Combination]:
    """Yield all combinations in an order of chance, then those with distributions, drawn anew."""
    pairs = [(o, n) for o in range(len(opts)) for n in range(len(nets))]
    for number in count():
        if number:
            pairs = [(o, n) for o, n in pairs if o in opts.drawn or n in nets.drawn]
        if not pairs or (once and number):
            return
        ranked = [
            (_hash(str(seed), opts.texts[o], nets.texts[n], str(number)), o, n) for o, n in pairs
        ]
        for _, opt, net in sorted(ranked):
            yield (
                (opt, number if opt in opts.drawn else 0),
                (net, number if net in nets.drawn else 0),
            )


def _grid(
    nets: _Items, opts: _Items, combinations: Sequence[_Combination], *, is_drawn: bool
) -> Grid:
    opt_places = {place: i for i, place in enumerate(sorted({opt for opt, _ in combinations}))}
    net_places = {place: i for i, place in enumerate(sorted({net for _, net in combinations}))}
    return Grid(
        nets=tuple(nets.paras(place) for place in net_places),
        opts=tuple(opts.paras(place) for place in opt_places),
        combinations=tuple((opt_places[opt], net_places[net]) for opt, net in combinations),
        n_cells=len(nets) * len(opts),
        is_drawn=is_drawn,
    )


def _hash(*parts: str) -> bytes:
    text = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()


def _unit(*parts: str) -> float:
    """Return a number from 0 up to, and without, 1 that depends on the parts alone."""
    bits = int.from_bytes(_hash(*parts)[:8], "big") >> (64 - _BITS)
    return bits / float(1 << _BITS)
