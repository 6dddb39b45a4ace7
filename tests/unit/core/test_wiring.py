import pytest
import torch

from akid.core.wiring import known, read, read_outputs
from akid.errors import SetupError


def test_entries_become_wires() -> None:
    """Indices default to the first; a block without inputs has no wires."""
    wires = read(
        ["a", "b"], [None, [{"name": "a"}, {"name": "system_in", "idxs": (1, 0)}]], who="s"
    )

    assert wires[0] is None
    assert [(wire.name, wire.idxs, wire.feedback) for wire in wires[1]] == [
        ("a", (0,), False),
        ("system_in", (1, 0), False),
    ]


def test_feedback_reaches_any_block() -> None:
    """A later block, the block itself, and an earlier one; shape and start come along."""
    start = torch.ones(3)
    entries = [
        {"name": "b", "feedback": True, "shape": [2, 3]},
        {"name": "a", "feedback": True, "initial": start},
    ]

    first, second = read(["a", "b"], [entries, None], who="s")[0]

    assert (first.name, first.shape, first.initial) == ("b", (2, 3), 0.0)
    assert second.initial is start


def test_a_later_block_needs_feedback() -> None:
    """The message says how a loop is written."""
    with pytest.raises(SetupError, match=r's: block \'a\': inputs.*"feedback": True'):
        read(["a", "b"], [[{"name": "b"}], None], who="s")


def test_outputs_name_blocks() -> None:
    """Every block of the system can be named, no input of the system."""
    assert read_outputs(["a", "b"], [{"name": "b"}], who="s")[0].name == "b"
    with pytest.raises(SetupError, match="s: outputs: expected what blocks give in this step"):
        read_outputs(["a"], [{"name": "system_in"}], who="s")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "known: none."),
        (["ip1"], "known: 'ip1'."),
        (["conv1", "conv2"], "known: 'conv1', 'conv2'. Did you mean 'conv1'?"),
    ],
)
def test_known_names_are_listed(names: list[str], expected: str) -> None:
    """A near name is hinted at."""
    assert known("con1", names) == expected
