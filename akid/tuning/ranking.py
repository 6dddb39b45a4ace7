"""Ranking: the combinations of a sweep from the best to the worst, as lines of a table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, final

from akid.tuning import markdown
from akid.tuning.grid import Paras
from akid.tuning.label import ShortColumns
from akid.tuning.literal import literal
from akid.tuning.number_text import number, spread
from akid.tuning.results import CellResult, TrialRecord, rank, resolve_metric

Row = TypeVar("Row")

_LONGEST_TABLE: Final = 40
_KEPT_AT_EACH_END: Final = 15
_MOST_COLUMNS: Final = 6


@final
class ParameterColumns:
    """The columns in which a table shows parameters: one each, or a label where they are many."""

    def __init__(self, net_paras_list: Sequence[Paras], opt_paras_list: Sequence[Paras]) -> None:
        self._columns = ShortColumns(net_paras_list, opt_paras_list)
        self._are_many = len(self._columns.headers) > _MOST_COLUMNS
        self.headers = ["differs in"] if self._are_many else self._columns.headers

    def texts(self, columns: Mapping[str, Any], label: str) -> list[str]:
        """Return what stands in the columns."""
        return [label] if self._are_many else self._columns.texts(columns)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A combination.

    Attributes:
        texts: What stands in the table's columns.
        has_value: Whether any of its trials came to a value.
    """

    texts: list[str]
    has_value: bool


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The table of a sweep's results.

    Attributes:
        headers: What stands above the columns.
        lines: The combinations, best first; a number stands for so many that are left out.
        caption: By what they are ranked, and how the trials ended.
    """

    headers: list[str]
    lines: list[Line | int]
    caption: str

    @classmethod
    def of(
        cls, records: Sequence[TrialRecord], *, metric: str | None = None, mode: str | None = None
    ) -> Self:
        """Rank the combinations of these trials.

        Args:
            records: The trials.
            metric: What to rank by; None chooses.
            mode: "max" or "min"; None follows from the metric's name.
        """
        metric, direction = resolve_metric(records, metric, mode)
        results = rank(records, metric, direction)
        nets = list(_distinct(result.net_paras for result in results))
        opts = list(_distinct(result.opt_paras for result in results))
        parameters = ParameterColumns(nets, opts)
        test = next((result.test_metric for result in results if result.test_metric), None)
        numbers = [f"{metric} (mean ± std)", "n", "best"]
        numbers += [f"{test} (mean ± std)"] if test else []
        counts = Counter(record.status for record in records)
        listed = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        better = "larger" if direction == "max" else "smaller"
        return cls(
            headers=["rank", *parameters.headers, *numbers, "status"],
            lines=[
                shown
                if isinstance(shown, int)
                else _line(shown, parameters, with_test=test is not None)
                for shown in shortened(results)
            ],
            caption=f"ranked by {metric} ({better} is better); trials: {listed}",
        )

    def to_markdown(self) -> str:
        """Return the table and its caption as Markdown."""
        lines = [
            ["...", f"{line} more", *[""] * (len(self.headers) - 2)]
            if isinstance(line, int)
            else line.texts
            for line in self.lines
        ]
        return f"{markdown.table(self.headers, lines)}\n\n{self.caption}\n"


def _line(result: CellResult, parameters: ParameterColumns, *, with_test: bool) -> Line:
    texts = [
        "-" if result.rank is None else str(result.rank),
        *parameters.texts(result.columns, result.label),
        spread(result.value),
        str(result.value.n),
        number(result.best),
        *([spread(result.test)] if with_test else []),
        result.status,
    ]
    return Line(texts=texts, has_value=result.value.n > 0)


def _distinct(paras: Iterable[Paras]) -> Iterable[Paras]:
    return {literal(item): item for item in paras}.values()


def shortened(rows: Sequence[Row]) -> list[Row | int]:
    """Leave out the middle of very many rows; a number stands for how many are missing."""
    if len(rows) <= _LONGEST_TABLE:
        return list(rows)
    missing = len(rows) - 2 * _KEPT_AT_EACH_END
    return [*rows[:_KEPT_AT_EACH_END], missing, *rows[-_KEPT_AT_EACH_END:]]
