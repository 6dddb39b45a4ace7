"""Graph: the blocks of a brain and what flows between them, as SVG by Graphviz or as Mermaid."""

import html
import itertools
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.core.system import SequentialSystem, System
from akid.core.wiring import SYSTEM_IN
from akid.errors import SetupError
from akid.observing import storage

_DOT_TIMEOUT_S: Final = 60
_COLOURS: Final = {
    "input": "#e8e8e8",
    "synapse": "#cfe0f3",
    "judge": "#f6d5cf",
    "kongfu": "#e5d9f2",
    "plain": "#ffffff",
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A block in the picture.

    Attributes:
        path: Its path, unique.
        lines: What is written into it.
        role: "input", "synapse" (it has parameters), "judge", "kongfu" or "plain".
    """

    path: str
    lines: tuple[str, ...]
    role: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What one block reads of another.

    Attributes:
        source: The path of the block that gives.
        target: The path of the block that takes.
        label: Which output it is, unless it is the first.
        is_dashed: Whether it flows otherwise than forward: back in time, or as an update.
    """

    source: str
    target: str
    label: str = ""
    is_dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Where a signal comes from."""

    path: str
    label: str = ""
    is_feedback: bool = False


@dataclass(kw_only=True)
class Graph:
    """A picture of blocks: nodes, edges and, for nested systems, groups.

    Attributes:
        title: What is drawn.
        nodes: The blocks, in the order in which they run.
        edges: What flows.
        groups: The paths of the systems.
    """

    title: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def to_dot(self) -> str:
        """Return the graph in Graphviz's language."""
        lines = [
            "digraph brain {",
            (
                f"  label={_quoted(self.title)}; labelloc=t; rankdir=TB; fontsize=18;"
                ' fontname="Helvetica"; nodesep=0.35; ranksep=0.35;'
            ),
            (
                '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11,'
                ' color="#5a6470", margin="0.18,0.08"];'
            ),
            '  edge [color="#5a6470", fontname="Helvetica", fontsize=10, arrowsize=0.7];',
            *self._dot_group("", indent="  "),
        ]
        for edge in self.edges:
            style = ", style=dashed, constraint=false" if edge.is_dashed else ""
            lines.append(
                f"  {_quoted(edge.source)} -> {_quoted(edge.target)}"
                f" [label={_quoted(edge.label)}{style}];"
            )
        return "\n".join([*lines, "}", ""])

    def _dot_group(self, group: str, *, indent: str) -> Iterator[str]:
        for node in self.nodes:
            if _group_of(node.path) == group:
                rest = "".join(f"<br/>{_small(line)}" for line in node.lines[1:])
                label = f"<<b>{html.escape(node.lines[0])}</b>{rest}>"
                colour = _COLOURS[node.role]
                yield f'{indent}{_quoted(node.path)} [label={label}, fillcolor="{colour}"];'
        for inner in self.groups:
            if _group_of(inner) == group:
                yield f"{indent}subgraph {_quoted('cluster_' + inner)} {{"
                name = _quoted(inner.rpartition("/")[2])
                yield f'{indent}  label={name}; fontsize=12; style="rounded"; color="#9aa3ad";'
                yield from self._dot_group(inner, indent=indent + "  ")
                yield f"{indent}}}"

    def to_mermaid(self) -> str:
        """Return the graph as Mermaid text, which many viewers of Markdown draw."""
        ids = {node.path: f"n{number}" for number, node in enumerate(self.nodes)}
        lines = ["---", f"title: {self.title!r}", "---", "flowchart TD"]
        lines += self._mermaid_group("", ids, indent="  ")
        for edge in self.edges:
            arrow = "-.->" if edge.is_dashed else "-->"
            label = f'|"{_mermaid(edge.label)}"|' if edge.label else ""
            lines.append(f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}")
        for role, colour in _COLOURS.items():
            members = [ids[node.path] for node in self.nodes if node.role == role]
            if members:
                lines.append(f"  classDef {role} fill:{colour},stroke:#5a6470,color:#000")
                lines.append(f"  class {','.join(members)} {role}")
        return "\n".join([*lines, ""])

    def _mermaid_group(self, group: str, ids: Mapping[str, str], *, indent: str) -> Iterator[str]:
        for node in self.nodes:
            if _group_of(node.path) == group:
                text = "<br/>".join(map(_mermaid, node.lines))
                yield f'{indent}{ids[node.path]}["{text}"]'
        for number, inner in enumerate(self.groups):
            if _group_of(inner) == group:
                yield f'{indent}subgraph g{number}["{_mermaid(inner.rpartition("/")[2])}"]'
                yield from self._mermaid_group(inner, ids, indent=indent + "  ")
                yield f"{indent}end"


def of_brain(brain: Brain, *, shapes: Mapping[str, str] | None = None) -> Graph:
    """Return the graph of a brain; the systems in it become groups.

    Args:
        brain: The brain; it need not be set up.
        shapes: The shapes of what blocks give, by path, to be written into them.

    >>> from akid.layers.activation import ReLULayer
    >>> brain = Brain(name="brain")
    >>> brain.attach(ReLULayer(name="relu1"), ReLULayer(name="relu2"))
    >>> [(edge.source, edge.target) for edge in of_brain(brain).edges]
    [('system_in', 'relu1'), ('relu1', 'relu2')]
    """
    graph = Graph(title=brain.label)
    graph.nodes.append(Node(path=SYSTEM_IN, lines=(SYSTEM_IN,), role="input"))
    _Tracer(graph, shapes or {}).trace(brain, "", [_Origin(path=SYSTEM_IN)])
    return graph


def of_kid(kid: Any, *, shapes: Mapping[str, str] | None = None) -> Graph:
    """Return the graph of a kid: its brain, what it senses by, and its kongfu."""
    graph = of_brain(kid.brain, shapes=shapes)
    graph.title = f"{kid.label}: {kid.brain.label}"
    source = getattr(kid.sensor, "source", None)
    senses = [kid.sensor] if source is None else [source, kid.sensor]
    inputs = [
        Node(path=f"kid.{role}", lines=_names(block), role="input")
        for role, block in zip(("source", "sensor")[-len(senses) :], senses, strict=True)
    ]
    paths = [node.path for node in inputs] + [SYSTEM_IN]
    graph.nodes[:0] = inputs
    graph.edges[:0] = [Edge(source=a, target=b) for a, b in itertools.pairwise(paths)]
    if (kongfu := getattr(kid, "kongfu", None)) is not None:
        graph.nodes.append(Node(path="kid.kongfu", lines=_names(kongfu), role="kongfu"))
        judges = [node for node in graph.nodes if node.role == "judge"]
        graph.edges += [Edge(source=node.path, target="kid.kongfu") for node in judges]
    return graph


def write(graph: Graph, path: Path) -> Path:
    """Draw the graph, and return where: an SVG file, or Mermaid text where Graphviz is missing.

    Args:
        graph: What to draw.
        path: The file, without suffix.

    Raises:
        SetupError: If Graphviz fails.
    """
    dot = shutil.which("dot")
    if dot is None:
        return storage.write_bytes(path.with_suffix(".mmd"), graph.to_mermaid().encode())
    done = subprocess.run(  # noqa: S603 - no shell, and the text is ours
        [dot, "-Tsvg"],
        input=graph.to_dot().encode(),
        capture_output=True,
        timeout=_DOT_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(
            f"Graph {graph.title!r}: expected Graphviz to draw it, got exit status"
            f" {done.returncode}: {done.stderr.decode(errors='replace')[:500]!r}."
        )
    return storage.write_bytes(path.with_suffix(".svg"), done.stdout)


class _Tracer:
    """Follows the wires of systems in systems, from the blocks' `inputs`."""

    def __init__(self, graph: Graph, shapes: Mapping[str, str]) -> None:
        self.graph = graph
        self.shapes = shapes

    def trace(self, system: System, prefix: str, entries: Sequence[_Origin]) -> None:
        """Add the blocks of a system whose inputs come from `entries`."""
        before = list(entries) if isinstance(system, SequentialSystem) else [_entry(entries, 0)]
        for block in system:
            path = prefix + block.label
            origins = before if block.inputs is None else _wired(system, block, prefix, entries)
            if isinstance(block, System):
                self.graph.groups.append(path)
                self.trace(block, f"{path}/", origins)
            else:
                self._add(block, path, origins)
            before = [_Origin(path=_exit(block, path))]

    def _add(self, block: Block, path: str, origins: Sequence[_Origin]) -> None:
        self.graph.nodes.append(
            Node(path=path, lines=_lines(block, self.shapes.get(path)), role=_role(block))
        )
        self.graph.edges += [
            Edge(source=origin.path, target=path, label=origin.label, is_dashed=origin.is_feedback)
            for origin in origins
        ]


def _wired(system: System, block: Block, prefix: str, entries: Sequence[_Origin]) -> list[_Origin]:
    """Resolve the `inputs` of a block."""
    origins = []
    for wire in block.inputs or []:
        name, is_feedback = str(wire["name"]), bool(wire.get("feedback", False))
        for idx in wire.get("idxs", (0,)):
            if name == SYSTEM_IN:
                origins.append(_entry(entries, idx))
            else:
                path = _exit(system.get_layer_by_name(name), prefix + name)
                label = "feedback" if is_feedback else f"[{idx}]" if idx else ""
                origins.append(_Origin(path=path, label=label, is_feedback=is_feedback))
    return origins


def _entry(entries: Sequence[_Origin], idx: int) -> _Origin:
    """Return where a system's input comes from: one origin may give them all."""
    if len(entries) > 1:
        return entries[idx]
    return replace(entries[0], label=f"[{idx}]" if idx else entries[0].label)


def _exit(block: Block, path: str) -> str:
    """Return the path of the leaf block that gives what a block gives."""
    if not isinstance(block, System):
        return path
    last = list(block)[-1]
    return _exit(last, f"{path}/{last.label}")


def _role(block: Block) -> str:
    if isinstance(block, Judge):
        return "judge"
    return "synapse" if any(True for _ in block.parameters()) else "plain"


def _lines(block: Block, shape: str | None) -> tuple[str, ...]:
    num = sum(parameter.numel() for parameter in block.parameters())
    facts = [shape] if shape else []
    facts += [f"{num:,} parameters"] if num else []
    return (*_names(block), *facts)


def _names(block: Block) -> tuple[str, ...]:
    kind = type(block).__name__
    return (kind,) if block.label == kind else (block.label, kind)


def _group_of(path: str) -> str:
    return path.rpartition("/")[0]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _small(text: str) -> str:
    return f'<font point-size="9" color="#444444">{html.escape(text)}</font>'


def _mermaid(text: str) -> str:
    return text.replace('"', "#quot;").replace("<", "#lt;")
