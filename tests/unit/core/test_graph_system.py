import copy
import re
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from akid.core.block import Block
from akid.core.graph_system import GraphSystem
from akid.errors import SetupError


class Sum(Block):
    """Adds what it gets, weighted by its place, so that order matters."""

    NAME = "sum"

    def forward(self, x):
        terms = x if isinstance(x, list) else [x]
        return sum((place + 1) * term for place, term in enumerate(terms))


class SumAll(Sum):
    takes_list = True


class Split(Block):
    NAME = "split"

    def forward(self, x):
        return [x + 1, x + 2]


class Linear(Block):
    NAME = "ip"

    def _setup(self, x):
        self.weights = nn.Parameter(torch.ones(2, x.shape[1]))

    def forward(self, x):
        return x @ self.weights.T


def wired(*blocks: Block, **kwargs) -> GraphSystem:
    system = GraphSystem(**kwargs)
    system.attach(*blocks)
    return system


def one(value: float = 1.0) -> torch.Tensor:
    return torch.full((1,), value)


def test_blocks_without_inputs_run_in_a_row() -> None:
    """The first takes the system's first input, a later one what the block before it gives."""
    system = wired(Sum(), Split(), Sum())

    assert system([one(5), one(99)]).item() == 6


def test_a_block_that_takes_lists_gets_all_outputs() -> None:
    """`takes_list = True` asks for all outputs of the block before it."""
    assert wired(Split(), SumAll())(one()).item() == 2 + 2 * 3


def test_wires_collect_in_their_order() -> None:
    """Listed outputs of blocks and inputs of the system become one list, in order."""
    system = wired(
        Split(name="a"),
        Sum(name="b"),
        Sum(
            inputs=[
                {"name": "system_in", "idxs": [1, 0]},
                {"name": "a", "idxs": [1]},
                {"name": "b"},
            ]
        ),
    )

    assert system([one(1), one(10)]).item() == 1 * 10 + 2 * 1 + 3 * 3 + 4 * 2


def test_one_wire_gives_the_tensor_itself() -> None:
    """A single tensor is no list, whether it is the whole output or one of several."""

    class Shape(Block):
        def forward(self, x):
            return x.shape

    assert wired(Split(name="a"), Shape(inputs=[{"name": "a", "idxs": [1]}]))(one()) == (1,)


def test_a_single_tensor_is_the_only_input() -> None:
    """Facts 4.3.21: a tensor that is not wrapped in a list is never indexed by batch."""
    system = wired(Sum(inputs=[{"name": "system_in", "idxs": [0]}]))
    x = torch.eye(2)

    assert torch.equal(system(x), x)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [Sum(name="conv1"), Sum(name="b", inputs=[{"name": "conv2"}])],
            "got 'conv2'; known: 'system_in', 'conv1', 'b'. Did you mean 'conv1'?",
        ),
        ([Sum(name="a", inputs=[{"name": "a"}])], "got itself. Attach the blocks in the order"),
        (
            [Sum(name="a", inputs=[{"name": "b"}]), Sum(name="b")],
            "got 'b', which runs later. Attach the blocks in the order in which signals flow",
        ),
        (
            [Sum(name="a"), Sum(name="b", inputs=[{"name": "a", "idxs": [5]}])],
            "block 'b': expected idxs below 1, as 'a' gives 1 output, got idxs=5.",
        ),
        (
            [Split(name="a"), Sum(name="b", inputs=[{"name": "a", "idxs": [2]}])],
            "expected idxs below 2, as 'a' gives 2 outputs, got idxs=2.",
        ),
        ([Sum(inputs=[{"name": "system_in", "idxs": [3]}])], "expected 4 inputs"),
        ([Sum(inputs=[{"name": "system_in", "idxs": [-1]}])], "got idxs=[-1]"),
        ([Sum(inputs=[{"name": "system_in", "idxs": 1}])], "got idxs=1"),
        ([Sum(inputs=[{"name": "system_in", "idx": [0]}])], "Did you mean 'idxs'?"),
        ([Sum(inputs=["system_in"])], "got 'system_in'."),
        ([Sum(inputs=[])], "inputs: expected a list such as"),
    ],
)
def test_wrong_wires_are_errors_of_setup(blocks: list[Block], message: str) -> None:
    """Facts 4.3.21: names, indices and order are checked once, with what is known."""
    with pytest.raises(SetupError, match=re.escape(message)):
        wired(*copy.deepcopy(blocks), name="sys").setup(one())


def test_all_wrong_names_are_reported_at_once() -> None:
    """One error tells of every fault in names and forms."""
    system = wired(Sum(name="a", inputs=[{"name": "x"}]), Sum(name="b", inputs=[{"name": "y"}]))

    with pytest.raises(SetupError, match=r"(?s)block 'a'.*got 'x'.*block 'b'.*got 'y'"):
        system.setup(one())


def test_too_few_inputs_are_named() -> None:
    """A call without the labels tells what is read; more inputs than are read do no harm."""
    system = wired(Sum(inputs=[{"name": "system_in", "idxs": [0, 1]}]), name="sys")
    system.setup([one(), one(), one()])

    assert system([one(), one(), one()]).item() == 3
    with pytest.raises(SetupError, match=r"sys: expected 2 inputs.*got 1"):
        system(one())


def test_nested_systems_train() -> None:
    """Facts 4.3.21: the parameters of a graph in a graph are parameters of the outer one."""
    inner = wired(Linear(), Sum(inputs=[{"name": "ip1"}, {"name": "system_in", "idxs": [1]}]))
    inner.inputs = [{"name": "ip1"}, {"name": "system_in"}]
    outer = wired(Linear(), inner)

    outer(torch.ones(3, 2)).sum().backward()

    assert len(list(outer.parameters())) == 2
    assert all(parameter.grad.abs().sum() > 0 for parameter in outer.parameters())


def test_a_nested_system_takes_a_list_of_outputs() -> None:
    """Without wires a system gets all outputs of the block before it."""
    inner = wired(Sum(inputs=[{"name": "system_in", "idxs": [1, 0]}]))

    assert wired(Split(), inner)(one()).item() == 3 + 2 * 2


# A system of a, then b and c that read a, then d that reads b, c and the second input.
def diamond() -> GraphSystem:
    system = wired(
        Sum(name="a"),
        Split(name="b"),
        Sum(name="c", inputs=[{"name": "a"}]),
        Sum(
            name="d",
            inputs=[
                {"name": "b", "idxs": [1]},
                {"name": "c"},
                {"name": "system_in", "idxs": [1]},
            ],
        ),
        name="diamond",
    )
    system.setup([one(), one()])
    return system


def test_a_part_ends_where_it_is_told() -> None:
    """end_block's output is returned, and inputs that only later blocks read may be missing."""
    part = diamond()(one(4), end_block="b")

    assert [tensor.item() for tensor in part] == [5, 6]


def test_a_part_starts_with_the_inputs_of_its_first_block() -> None:
    """What lies before the start is injected; the result equals the whole run's."""
    system, inputs = diamond(), [one(3), one(7)]
    whole = system(inputs)

    from_b = system(one(3), start_block="b", injected_data={"a": [one(3)], "system_in": inputs})
    only_d = system([one(5), one(3), one(7)], start_block="d")
    from_c = system(
        one(3), start_block="c", injected_data={"b": [one(4), one(5)], "system_in": inputs}
    )

    assert whole == from_b == from_c == only_d


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_block": "bb"}, "got start_block='bb'; known: 'a', 'b', 'c', 'd'."),
        ({"end_block": "e"}, "got end_block='e'; known: 'a', 'b', 'c', 'd'."),
        ({"start_block": "c", "end_block": "a"}, "got start_block='c', end_block='a'."),
        ({"start_block": "b"}, "for 'a' (read by 'c'), 'system_in[1]' (read by 'd'), got"),
        ({"start_block": "d", "injected_data": {"x": []}}, "got 'x'; known: 'system_in', 'a'"),
        ({"end_block": "d"}, "expected injected_data for 'system_in[1]' (read by 'd')"),
    ],
)
def test_wrong_parts_are_errors(options: dict, message: str) -> None:
    """Facts 4.3.21: a misspelt start or end never runs something else."""
    with pytest.raises(SetupError, match=re.escape(message)):
        diamond()(one(), **options)


def test_a_part_needs_setup() -> None:
    """The inputs of a part say nothing of what came before."""
    assert wired(Sum(name="a"), Sum(name="b"))(one(), end_block="a").item() == 1
    with pytest.raises(SetupError, match="expected setup before a run from start_block"):
        wired(Sum(name="a"))(one(), start_block="a")


def test_outputs_are_freed_after_their_last_use() -> None:
    """Without keep_data nothing outlives its last reader; with it, all is kept."""
    alive: list[weakref.ref] = []

    class Watch(Block):
        def forward(self, x):
            counts.append(sum(ref() is not None for ref in alive))
            result = x + 1
            alive.append(weakref.ref(result))
            return result

    counts: list[int] = []
    system = wired(*(Watch(name=f"w{i}") for i in range(5)))
    system.setup(one())
    for keep, expected in ((False, [0, 1, 1, 1, 1]), (True, [0, 1, 2, 3, 4])):
        alive.clear()
        counts.clear()
        system.keep_data = keep
        with torch.no_grad():
            system(one())
        assert counts == expected


def test_two_blocks_with_no_reader_are_freed_too() -> None:
    """An output that nobody reads goes at once; the result is the last block's."""
    system = wired(Sum(name="a"), Sum(name="dead", inputs=[{"name": "a"}]), Sum(name="z"))
    system.keep_data = False

    assert system(one(2)).item() == 2


nodes = st.integers(1, 8).flatmap(
    lambda count: st.tuples(
        *(
            st.tuples(
                st.booleans(),
                st.lists(st.tuples(st.integers(-1, k - 1), st.integers(0, 1)), max_size=4),
            )
            for k in range(count)
        )
    )
)


def graph_of(nodes) -> tuple[GraphSystem, list[torch.Tensor], list[torch.Tensor]]:
    """A system, its inputs, and what a plain evaluation of its last node gives."""
    inputs = [one(1.0), one(2.0)]
    blocks: list[Block] = []
    outputs: list[list[torch.Tensor]] = []
    for splits, wires in nodes:
        sources, entries = [], []
        for node, idx in wires:
            if node < 0:
                sources.append(inputs[idx])
                entries.append({"name": "system_in", "idxs": [idx]})
            else:
                sources.append(outputs[node][idx % len(outputs[node])])
                entries.append({"name": f"n{node}", "idxs": [idx % len(outputs[node])]})
        if not wires:
            sources = [outputs[-1][0] if outputs else inputs[0]]
        kind = Split if splits and len(sources) == 1 else Sum
        blocks.append(kind(name=f"n{len(blocks)}", inputs=entries or None))
        result = kind()(sources if len(sources) > 1 else sources[0])
        outputs.append(result if isinstance(result, list) else [result])
    return wired(*blocks), inputs, outputs[-1]


def listed(signal) -> list[float]:
    return [tensor.item() for tensor in (signal if isinstance(signal, list) else [signal])]


@settings(deadline=None)
@given(nodes, st.booleans())
def test_a_random_graph_gives_what_a_plain_evaluation_gives(graph, keep: bool) -> None:
    """Whatever the wires, the result equals that of evaluating the graph node by node."""
    system, inputs, expected = graph_of(graph)
    system.keep_data = keep

    assert listed(system(inputs)) == listed(expected)


@settings(deadline=None)
@given(nodes, st.data())
def test_a_random_part_of_a_random_graph_gives_what_the_whole_gives(graph, data) -> None:
    """Started anywhere, with what came before injected, and ended anywhere later."""
    system, inputs, _ = graph_of(graph)
    system(inputs)
    whole = {name: block.data for name, block in system.blocks.items()}
    names = list(whole)
    start = data.draw(st.integers(0, len(names) - 1))
    end = data.draw(st.integers(start, len(names) - 1))
    signal = system._feeds[start].take(system._kept.values)

    part = system(
        signal,
        start_block=names[start],
        end_block=names[end],
        injected_data={"system_in": inputs} | {name: whole[name] for name in names[:start]},
    )

    assert listed(part) == listed(whole[names[end]])


def test_a_compiled_graph_gives_the_same() -> None:
    """torch.compile traces the whole system into one graph, with data kept or not."""
    for keep in (False, True):
        system = diamond()
        system.keep_data = keep
        compiled = torch.compile(system, backend="eager", fullgraph=True)
        assert compiled([one(3), one(7)]) == system([one(3), one(7)])


def test_a_system_gives_the_outputs_that_it_names() -> None:
    """`outputs` collects what several blocks give, freed memory or not."""
    system = wired(
        Split(name="a"),
        Sum(name="b", inputs=[{"name": "a", "idxs": [0, 1]}]),
        Sum(name="c"),
        outputs=[{"name": "a", "idxs": [1]}, {"name": "c"}],
    )
    for keep in (True, False):
        system.keep_data = keep
        assert [tensor.item() for tensor in system(one())] == [3, 8]
    assert system(one(), end_block="b").item() == 8


def test_a_system_of_several_outputs_feeds_others() -> None:
    """A nested system's outputs are read by index like any block's."""
    inner = wired(Split(name="a"), Sum(name="b"), outputs=[{"name": "b"}, {"name": "a"}], name="i")
    outer = wired(inner, Sum(inputs=[{"name": "i", "idxs": [1, 0]}]))

    assert outer(one(2)).item() == 3 + 2 * 3


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            [{"name": "x"}],
            "outputs: expected the name of a block, got 'x'; known: 'system_in', 'a'",
        ),
        ([], "outputs: expected a list such as"),
        ([{"name": "a", "idxs": [2]}], "outputs: expected idxs below 2"),
        ([{"name": "system_in"}], "expected what blocks give in this step"),
        ([{"name": "a", "feedback": True}], "expected what blocks give in this step"),
    ],
)
def test_wrong_outputs_are_errors_of_setup(outputs: list, message: str) -> None:
    """They are checked like inputs are."""
    with pytest.raises(SetupError, match=re.escape(message)):
        wired(Split(name="a"), outputs=outputs).setup(one())


def test_a_block_that_gives_nothing_is_an_error() -> None:
    """Facts 4.3.22: a forward that returns None is found at setup, by name."""

    class Forgetful(Block):
        def forward(self, x):
            self.result = x

    with pytest.raises(SetupError, match=r"block 'f' \(Forgetful\) to give something, got None"):
        wired(Forgetful(name="f"))(one())
