import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from akid.core.brain import Brain
from akid.core.system import SequentialSystem
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.merge import MergeLayer
from akid.observing import graph


def edges(brain: Brain) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.target, edge.label) for edge in graph.of_brain(brain).edges]


def test_blocks_are_nodes_and_wires_are_edges(brain) -> None:
    """Through the walls of nested systems, to the blocks that really give and take."""
    assert edges(brain) == [
        ("system_in", "conv1", ""),
        ("conv1", "relu1", ""),
        ("relu1", "pool1", ""),
        ("pool1", "head/ip1", ""),
        ("head/ip1", "head/drop1", ""),
        ("head/drop1", "ip2", ""),
        ("ip2", "loss", ""),
        ("system_in", "loss", "[1]"),
    ]
    assert graph.of_brain(brain).groups == ["head"]


def test_branches_and_merges_are_drawn() -> None:
    """A nested brain reads the inputs that its own system gets."""
    inner, outer = Brain(name="inner"), Brain(name="outer")
    inner.inputs = [{"name": "left"}, {"name": "right"}]
    inner.attach(MergeLayer(name="sum", inputs=[{"name": "system_in", "idxs": [0, 1]}]))
    outer.attach(ReLULayer(name="left", inputs=[{"name": "system_in"}]))
    outer.attach(ReLULayer(name="right", inputs=[{"name": "system_in"}]))
    outer.attach(inner, ReLULayer(name="end"))

    assert edges(outer)[2:] == [
        ("left", "inner/sum", ""),
        ("right", "inner/sum", ""),
        ("inner/sum", "end", ""),
    ]


def test_feedback_is_dashed() -> None:
    """An edge from a later block goes back in time."""
    brain = Brain(name="brain")
    loop = [{"name": "system_in"}, {"name": "late", "idxs": [0], "feedback": True}]
    tail = SequentialSystem(name="late")
    tail.attach(ReLULayer(name="relu"))
    brain.attach(MergeLayer(name="early", inputs=loop), tail)

    drawn = graph.of_brain(brain).edges

    assert [(edge.source, edge.is_dashed) for edge in drawn if edge.target == "early"] == [
        ("system_in", False),
        ("late/relu", True),
    ]


def test_the_graph_of_a_kid_has_source_sensor_and_kongfu(make_kid) -> None:
    """From the data to the update."""
    drawn = [(edge.source, edge.target) for edge in graph.of_kid(make_kid()).edges]

    assert drawn[:2] == [("kid.source", "kid.sensor"), ("kid.sensor", "system_in")]
    assert drawn[-1] == ("loss", "kid.kongfu")


def test_both_languages_hold_every_node_and_edge(brain) -> None:
    """And shapes where they are given."""
    drawn = graph.of_brain(brain, shapes={"conv1": "4 x 6 x 8"})

    dot, mermaid = drawn.to_dot(), drawn.to_mermaid()

    assert dot.count(" -> ") == len(re.findall(r"-->", mermaid)) == len(drawn.edges)
    assert 'subgraph "cluster_head"' in dot
    assert "subgraph g0" in mermaid
    for text in (dot, mermaid):
        assert "4 x 6 x 8" in text
        assert "SoftmaxWithLossLayer" in text


def test_odd_names_are_escaped() -> None:
    """Quotes and angle brackets are no syntax."""
    brain = Brain(name="brain")
    brain.attach(ReLULayer(name='a"<b>'))
    drawn = graph.of_brain(brain)

    assert '"a\\"<b>" [label=<<b>a&quot;&lt;b&gt;</b>' in drawn.to_dot()
    assert "a#quot;#lt;b>" in drawn.to_mermaid()


def test_without_graphviz_mermaid_is_written(
    brain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has to be installed."""
    monkeypatch.setenv("PATH", str(tmp_path))

    path = graph.write(graph.of_brain(brain), tmp_path / "graph")

    assert path.name == "graph.mmd"
    assert "flowchart TD" in path.read_text()


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_draws_svg(brain, tmp_path: Path) -> None:
    """As it is found on the path."""
    path = graph.write(graph.of_brain(brain), tmp_path / "graph")

    assert path.name == "graph.svg"
    assert path.read_text().count('class="node"') == 8


def test_graphviz_failing_is_an_error(
    brain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it said."""
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    dot.chmod(dot.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(SetupError, match="exit status 3: 'broken"):
        graph.write(graph.of_brain(brain), tmp_path / "graph")
