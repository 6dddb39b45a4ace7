"""Labels: short, readable and from what differs."""

import pytest

from akid.tuning.grid import Paras
from akid.tuning.label import Labeller, ShortColumns, differing
from akid.tuning.sampling import sampled

RELU = [{"type": "relu"}] * 4
MAXOUT = [{"type": "maxout", "group_size": size} for size in (2, 2, 2, 5)]


def labels(nets: list[Paras], opts: list[Paras], repeats: int = 1) -> list[str]:
    labeller = Labeller(nets, opts, repeats)
    return [
        labeller.label(net_index=c.net_index, opt_index=c.opt_index, repeat=c.repeat)
        for c in sampled(nets, opts, seed=0).cells(repeats)
    ]


def test_the_documented_example_reads_well() -> None:
    """A list of layers is called by its kind; what is the same everywhere is not said."""
    nets = [{"activation": RELU, "bn": True}, {"activation": MAXOUT, "bn": True}]

    assert labels(nets, [{"lr": 0.025}, {"lr": 0.05}])[:3] == [
        "activation=relu lr=0.025",
        "activation=maxout lr=0.025",
        "activation=relu lr=0.05",
    ]


@pytest.mark.parametrize(
    ("nets", "opts", "expected"),
    [
        ([{}], [{}], ["trial"]),
        ([{"a": 1}, {"b": 2}], [{}], ["a=1", "b=2"]),
        ([{"lr": 1}, {"lr": 2}], [{"lr": 3}, {"lr": 4}], ["net.lr=1 opt.lr=3"]),
        ([{"act": {"type": "relu"}}, {"act": {"type": "elu"}}], [{}], ["act=relu", "act=elu"]),
        ([{"a": 1}, {"a": 1}], [{}], ["net=0", "net=1"]),
        ([{"k": [3, 3]}, {"k": [5, 3]}], [{}], ["k=3,3", "k=5,3"]),
        ([{"k": [3]}, {"k": [3, 3]}], [{}], ["k=3", "k=3,3"]),
        ([{"a": True}, {"a": 1}], [{}], ["a=True", "a=1"]),
        ([{"a": None}, {}], [{}], ["a=None", "net=1"]),
        ([{}], [{"lr": 1e-5}, {"lr": 0.1 + 0.2}], ["lr=1e-05", "lr=0.3"]),
        ([{}], [{"lr": 0.1 + 0.2}, {"lr": 0.3}], ["lr=0.30000000000000004", "lr=0.3"]),
    ],
)
def test_labels_name_what_differs(nets: list[Paras], opts: list[Paras], expected: object) -> None:
    """The shortest name and value that tell the trials apart."""
    assert labels(nets, opts)[: len(expected)] == expected  # type: ignore[arg-type]


def test_what_reads_alike_is_told_apart_by_what_it_is() -> None:
    """In whatever order it comes, and whatever is beside it, as in a table by rank."""
    first, second, third = ([{"type": "maxout", "group_size": size}] for size in (2, 3, 4))

    def texts(*values: list[Paras]) -> list[str]:
        columns = ShortColumns([{"act": value} for value in values], [{}])
        return [columns.texts({"net.act": value})[0] for value in values]

    all_ = texts(first, second, third)
    assert len(set(all_)) == 3
    assert all(text.startswith("maxout~") for text in all_)
    assert texts(third, first) == [all_[2], all_[0]]


def test_repeats_are_numbered() -> None:
    """`#` and the repeat, from 0; without anything else that is all."""
    assert labels([{}], [{}], 3) == ["#0", "#1", "#2"]


def test_long_labels_become_numbers() -> None:
    """A network that differs in very much is called by its place in the list."""
    nets = [{f"parameter_{k}": k * i for k in range(9)} for i in (1, 2)]

    assert labels(nets, [{}]) == ["net=0", "net=1"]


def test_differing_gives_dotted_names_in_order() -> None:
    """Nested keys are dotted, networks first; a key that some lack differs."""
    nets = [{"a": {"b": 1, "c": 0}, "d": 1}, {"a": {"b": 2, "c": 0}}]

    assert differing(sampled(nets, [{"e": 1}], seed=0).cells(1)) == ["net.a.b", "net.d"]


def test_columns_are_empty_where_a_parameter_is_missing() -> None:
    """A table has a cell for each column."""
    columns = ShortColumns([{"a": 1}, {"b": 2}], [{}])

    assert columns.headers == ["a", "b"]
    assert columns.texts({"net.b": 2}) == ["", "2"]
