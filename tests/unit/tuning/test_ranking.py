"""The ranking as lines of a table."""

from dataclasses import replace

from akid.tuning.ranking import Ranking
from akid.tuning.results import TrialRecord


def record(index: int, lr: float, value: float | None) -> TrialRecord:
    return TrialRecord(
        index=index,
        repeat=0,
        net_paras={},
        opt_paras={"lr": lr},
        seed=0,
        key=str(index),
        label=f"lr={lr}",
        status="FINISHED" if value is not None else "FAILED",
        best={"val_loss": value} if value is not None else {},
    )


def test_markdown_has_a_row_for_each_combination_and_says_how_they_are_ranked() -> None:
    """What came to nothing stands at the end, without a rank."""
    text = Ranking.of(
        [record(0, 0.1, None), record(1, 0.2, 0.5), record(2, 0.3, 0.25)]
    ).to_markdown()

    head, rule, *rows, _, caption = text.splitlines()
    assert head == "| rank | lr | val_loss (mean ± std) | n | best | status |"
    assert set(rule) == set("| -")
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| 1", "0.3"],
        ["| 2", "0.2"],
        ["| -", "0.1"],
    ]
    assert caption == "ranked by val_loss (smaller is better); trials: 1 FAILED, 2 FINISHED"


def test_the_middle_of_many_rows_is_left_out() -> None:
    """The row in its place has as many cells as the others."""
    ranking = Ranking.of([record(n, float(n), float(n)) for n in range(60)])

    assert ranking.lines[15] == 30
    rows = ranking.to_markdown().splitlines()[:-2]
    assert len({row.count("|") for row in rows}) == 1


def test_a_label_with_a_bar_does_not_break_the_table() -> None:
    """Markdown's own sign for a column is escaped."""
    odd = [replace(record(n, 0.1, 0.5), opt_paras={"kind": f"a|{n}"}) for n in range(2)]

    assert "a\\|1" in Ranking.of(odd).to_markdown()
