"""The grid: order, checks of parameter lists, and `--set`."""

import re
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import GridError
from akid.tuning.grid import check_parameter_list, override, parse_setting


def test_plain_values_pass_unchanged() -> None:
    """Every kind of literal may stand in a list."""
    item = {"a": None, "b": [True, 1, 0.5, "x", (1, 2)], "c": {"d": {}}}

    assert check_parameter_list("net_paras_list", [item, {}]) == (item, {})


def test_numpy_scalars_become_python_values() -> None:
    """A scalar of numpy is taken as the number, bool or string that it is."""
    (item,) = check_parameter_list(
        "opt_paras_list", [{"lr": np.float64(0.1), "n": np.int64(3), "b": np.bool_(1)}]
    )

    assert item == {"lr": 0.1, "n": 3, "b": True}
    assert [type(value) for value in item.values()] == [float, int, bool]


def test_subclasses_become_plain_values() -> None:
    """A string enumeration is taken as its string, so that it can be written down."""
    kind = StrEnum("kind", ["relu"])

    (item,) = check_parameter_list("net_paras_list", [{"act": kind.relu}])

    assert type(item["act"]) is str
    assert item["act"] == "relu"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "net_paras_list: expected at least one item, got net_paras_list=[]"),
        ({"bn": True}, "Wrap it in a list: [{...}]"),
        (None, "net_paras_list: expected a list of dicts, got net_paras_list=None"),
        (["relu"], "net_paras_list[0]: expected a dict of parameters"),
        ([{"a": {1}}], "net_paras_list[0]['a']: expected None, a bool"),
        ([{}, {"a": [0, {"b": print}]}], "net_paras_list[1]['a'][1]['b']: expected"),
        ([{"a": np.zeros(2)}], "Turn an array into a list: .tolist()."),
        ([{"a": {3: 4}}], "net_paras_list[0]['a']: expected keys that are strings, got the key 3"),
        ([{"a": 10**5000}], "an integer of more than 4000 digits"),
    ],
)
def test_what_is_no_parameter_list_is_told_with_its_place(value: object, message: str) -> None:
    """The error names the list, the item's number, the path of the key and the value."""
    with pytest.raises(GridError, match=re.escape(message)):
        check_parameter_list("net_paras_list", value)


def test_all_faults_of_a_list_are_told_at_once() -> None:
    """Two wrong items make two lines."""
    with pytest.raises(GridError) as caught:
        check_parameter_list("net_paras_list", [1, {"a": object}])

    assert len(str(caught.value).splitlines()) == 2


def test_a_list_that_holds_itself_is_refused() -> None:
    """Endless nesting is an error and no endless recursion."""
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(GridError, match="at most 50 levels of nesting"):
        check_parameter_list("net_paras_list", [{"a": endless}])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("opt.lr=0.1,0.2", ("opt", ("lr",), (0.1, 0.2))),
        ("net.act.type=relu,maxout", ("net", ("act", "type"), ("relu", "maxout"))),
        ("net.sizes=[1,2],[3,4]", ("net", ("sizes",), ([1, 2], [3, 4]))),
        ("net.act={'type':'relu'}, None", ("net", ("act",), ({"type": "relu"}, None))),
        ("net.bn=True,False", ("net", ("bn",), (True, False))),
        ("opt.lr=-1e-4", ("opt", ("lr",), (-1e-4,))),
        ("""opt.x='a,b',"c=d" """, ("opt", ("x",), ("a,b", "c=d"))),
        ("opt.x=trunc-normal,v1.2", ("opt", ("x",), ("trunc-normal", "v1.2"))),
    ],
)
def test_settings_are_literals_with_commas_between(text: str, expected: object) -> None:
    """Commas inside of brackets and quotes don't separate; bare words are strings."""
    assert parse_setting(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr=0.1", "expected net.KEY=VALUE,... or opt.KEY=VALUE,..., got 'lr=0.1'"),
        ("opt.lr", "got 'opt.lr'"),
        ("opt.=1", "got 'opt.=1'"),
        ("opt.lr=0.1,,0.2", "got '' in"),
        ("opt.lr=", "got '' in"),
        ("net.bn=true", "expected True, False or None with a capital, got 'true'"),
        ("net.x=(1", "got '(1' in"),
        ("net.x={1,2}", "--set net.x[0]['value']: expected None"),
    ],
)
def test_settings_that_cannot_be_read_say_how_to_write_them(text: str, message: str) -> None:
    """The error shows what was given."""
    with pytest.raises(GridError, match=re.escape(message)):
        parse_setting(text)


@given(st.text())
def test_any_setting_is_read_or_refused(text: str) -> None:
    """No text makes another error than GridError."""
    try:
        which, path, values = parse_setting(text)
    except GridError:
        return
    assert which in ("net", "opt")
    assert path
    assert values


def test_override_replaces_a_key_in_every_item() -> None:
    """Old values go, items that are then equal become one, and new values are crossed in."""
    items = [{"lr": 0.1, "wd": 1}, {"lr": 0.2, "wd": 1}, {"wd": 2, "lr": 0.1}]

    assert override(items, "lr", [3, 4]) == (
        {"lr": 3, "wd": 1},
        {"lr": 4, "wd": 1},
        {"lr": 3, "wd": 2},
        {"lr": 4, "wd": 2},
    )


def test_override_reaches_nested_keys_and_leaves_the_items_alone() -> None:
    """A path goes into nested dicts; the given items are not changed."""
    items = [{"act": {"type": "relu", "leak": 0}}]

    assert override(items, ("act", "type"), ["elu"]) == ({"act": {"type": "elu", "leak": 0}},)
    assert items == [{"act": {"type": "relu", "leak": 0}}]


def test_override_keeps_1_and_true_apart() -> None:
    """Items that Python calls equal but that are written differently stay two."""
    assert len(override([{"a": 1, "lr": 0}, {"a": True, "lr": 0}], "lr", [5])) == 2


def test_override_of_an_unknown_key_lists_the_known_ones() -> None:
    """A misspelt key is an error with a suggestion."""
    with pytest.raises(GridError, match=r"got 'lrate'. Known keys: act, act.type, lr"):
        override([{"lr": 1, "act": {"type": "relu"}}], "lrate", [1])
