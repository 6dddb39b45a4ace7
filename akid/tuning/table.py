"""Table: a plan and a ranking as one reads them, in colour on a terminal and plain elsewhere."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from akid.tuning import comparison_text
from akid.tuning.compare import Comparison
from akid.tuning.number_text import amount
from akid.tuning.plan import Plan, PlannedTrial
from akid.tuning.ranking import ParameterColumns, Ranking, shortened
from akid.tuning.results import FINISHED, TrialRecord

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_SHOWN_TRIALS: Final = 4
_WIDTH_WHEN_PIPED: Final = 160


def print_plan(plan: Plan, stream: TextIO | None = None) -> None:
    """Print which trials run, what each differs in, what it needs, and why it runs or not.

    Args:
        plan: The plan.
        stream: Where to; None for standard output.
    """
    from rich.text import Text

    console = _console(stream)
    parameters = ParameterColumns(plan.experiment.grid.nets, plan.experiment.grid.opts)
    table = _table(["trial", *parameters.headers, "repeat", "needs", "action", "reason"])
    for shown in shortened(plan.trials):
        if isinstance(shown, int):
            table.add_row(*_texts(["...", f"{shown} more"]), style="dim")
        else:
            style = None if shown.action == "run" else "dim"
            table.add_row(*_texts(_plan_row(shown, parameters)), style=style)
    console.print(table)
    console.print(Text(plan_summary(plan)))


def plan_summary(plan: Plan) -> str:
    """Return the plan's counts as one line: trials, how many run, how many don't and why."""
    reasons = Counter(planned.reason for planned in plan.skipped if planned.same_as is None)
    done = sum(n for reason, n in reasons.items() if reason.startswith("finished in run"))
    early = sum(n for reason, n in reasons.items() if reason.startswith("stopped early in run"))
    double = sum(planned.same_as is not None for planned in plan.trials)
    parts = [
        f"{amount(len(plan.trials), 'trial')} ({plan.experiment.extent})",
        f"{len(plan.to_run)} to run",
        f"{done} finished before",
    ]
    left = len(plan.skipped) - done - early - double
    going_on = len(plan.broken_off)
    parts[1] += f" ({going_on} of them {'goes' if going_on == 1 else 'go'} on)" if going_on else ""
    parts += [f"{early} stopped early before"] if early else []
    parts += [f"{double} the same as another"] if double else []
    parts += [f"{left} left out"] if left else []
    return f"{plan.experiment.name}: " + ", ".join(parts)


def print_results(
    records: Sequence[TrialRecord],
    *,
    metric: str | None = None,
    mode: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Print the ranking, and below it the errors of the trials that failed, equal ones once.

    Args:
        records: The trials.
        metric: What to rank by; None chooses.
        mode: "max" or "min"; None follows from the metric's name.
        stream: Where to; None for standard output.
    """
    from rich.text import Text

    console = _console(stream)
    ranking = Ranking.of(records, metric=metric, mode=mode)
    if ranking.lines:
        console.print(_ranking(ranking))
        console.print(Text(ranking.caption))
    for text in failures(records):
        console.print()
        console.print(Text(text))


def print_comparison(
    comparison: Comparison, *, top: int | None = None, stream: TextIO | None = None
) -> None:
    """Print the groups of a comparison, and how their differences were judged.

    Args:
        comparison: The comparison.
        top: How many of the best groups to show; None for all.
        stream: Where to; None for standard output.
    """
    from rich.text import Text

    headers, lines = comparison_text.rows(comparison, top)
    console = _console(stream)
    table = _table(headers)
    for line in lines:
        table.add_row(*_texts(line))
    console.print(table)
    hidden = len(comparison.groups) - len(lines)
    if hidden:
        console.print(Text(f"and {hidden} more"), style="dim")
    for text in (comparison_text.method(comparison), *comparison_text.conclusions(comparison)):
        console.print(Text(text))


def failures(records: Iterable[TrialRecord]) -> list[str]:
    """Return the errors of the trials that have one, equal errors once with the trials' names."""
    found: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.status != FINISHED and record.error:
            found.setdefault(record.error.strip(), []).append(record)
    texts = []
    for error, failed in found.items():
        named = ", ".join(f"{r.index} ({r.label})" for r in failed[:_SHOWN_TRIALS])
        more = f" and {len(failed) - _SHOWN_TRIALS} more" if len(failed) > _SHOWN_TRIALS else ""
        word = "trial" if len(failed) == 1 else f"{len(failed)} trials:"
        texts.append(f"{failed[0].status}: {word} {named}{more}\n{_indented(error)}")
    return texts


def _plan_row(planned: PlannedTrial, parameters: ParameterColumns) -> list[str]:
    trial = planned.trial
    needs = trial.request
    return [
        str(trial.index),
        *parameters.texts(trial.columns, trial.label),
        str(trial.repeat),
        str(needs),
        planned.action,
        planned.reason,
    ]


def _ranking(ranking: "Ranking") -> "Table":
    table = _table(ranking.headers)
    for line in ranking.lines:
        if isinstance(line, int):
            table.add_row(*_texts(["...", f"{line} more"]), style="dim")
        else:
            table.add_row(*_texts(line.texts), style=None if line.has_value else "red")
    return table


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _texts(row: Sequence[str]) -> "list[Text]":
    from rich.text import Text

    return [Text(cell) for cell in row]


def _table(headers: Sequence[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    return table


def _console(stream: TextIO | None) -> "Console":
    """Return rich's console: as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    width = None if stream.isatty() else _WIDTH_WHEN_PIPED
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)
