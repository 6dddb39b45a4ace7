"""GraphSystem: blocks wired to an acyclic graph, with branches, merges, many inputs and outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from akid.core import plan, wiring
from akid.core.block import Block, Signal
from akid.core.plan import Feed, Ref, Step
from akid.core.system import System
from akid.core.wiring import SYSTEM_IN, Wire, known
from akid.errors import SetupError


class GraphSystem(System):
    """Blocks wired by their `inputs`; they run in the order in which they were attached.

    `inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]` collects the listed
    outputs of blocks and inputs of the system; `idxs` left out means `[0]`. One tensor is handed on
    as it is, several as a list. Without `inputs` the first block takes the system's first input,
    and a later one the first output of the block before it, or all of them if it has
    `takes_list = True` as systems have. Names are resolved once, at setup.

    Shape:
        input: A tensor, or a list of them.
        output: What the last block gives.

    >>> import torch
    >>> class Add(Block):
    ...     def forward(self, terms):
    ...         return terms[0] + terms[1]
    >>> system = GraphSystem()
    >>> both = [{"name": "system_in", "idxs": [0, 1]}]
    >>> system.attach(Add(name="a", inputs=both), Add(inputs=[{"name": "a"}, {"name": "a"}]))
    >>> system([torch.ones(1), torch.ones(1)])
    tensor([4.])
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        inputs: Sequence[dict[str, Any]] | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, inputs=inputs, bag=bag)
        self._num_inputs = 0
        self._feeds: list[Feed] = []
        self._plan: list[Step] = []
        self._gives_list: list[bool] = []

    def forward(
        self,
        inputs: Any,
        *,
        start_block: str | None = None,
        end_block: str | None = None,
        injected_data: Mapping[str, Signal] | None = None,
    ) -> Any:
        """Run the blocks, or a part of them.

        Args:
            inputs: The system's inputs, or `start_block`'s where that is given.
            start_block: The first block to run; None means the first of all.
            end_block: The last block to run, whose output is returned; None means the last of all.
            injected_data: With `start_block`, what blocks before it (or `"system_in"`) would have
                given, by name, as far as it is read.

        Raises:
            SetupError: If there are too few inputs, a name is unknown, the start comes after the
                end, or something that is read is not injected.
        """
        if start_block is not None or end_block is not None or injected_data is not None:
            return self._run_part(inputs, start_block, end_block, injected_data or {})
        values = self._input_values(inputs)
        keeps_data = self._keeps_data
        # The hot loop: integers only, nothing is looked up by name.
        for block, (slot, pick, refs, spent) in zip(self.blocks.values(), self._plan, strict=True):
            if refs is not None:
                signal = [values[s] if idx is None else values[s][idx] for s, idx in refs]
            elif pick is None:
                signal = values[slot]
            else:
                signal = values[slot][pick]
            values.append(block(signal))
            if not keeps_data:
                for slot in spent:  # noqa: PLW2901
                    values[slot] = None
        if keeps_data:
            self._kept.values = values
        return values[-1]

    def _input_values(self, inputs: Any) -> list[Any]:
        if not isinstance(inputs, list | tuple):
            inputs = [inputs]
        if len(inputs) < self._num_inputs:
            raise SetupError(
                f"{self.label}: expected {self._num_inputs} inputs as its blocks read"
                f" {SYSTEM_IN!r}[{self._num_inputs - 1}], got {len(inputs)}."
            )
        return [*inputs[: self._num_inputs]]

    # Setup

    def _setup_blocks(self, sample: Any) -> Any:
        names = list(self.blocks)
        wires = wiring.read(names, [block.inputs for block in self], who=self.label)
        self._num_inputs = plan.num_inputs(wires)
        values = self._input_values(sample)
        slots = {name: self._num_inputs + position for position, name in enumerate(names)}
        self._feeds = []
        for block, entries in zip(self, wires, strict=True):
            feed = self._resolve(block, entries, slots, values)
            self._feeds.append(feed)
            block.remember_in(self._kept, len(values))
            values.append(self._probe_block(block, feed.take(values)))
        self._gives_list = [isinstance(value, list | tuple) for value in values]
        self._plan = plan.steps_of(self._feeds, self._num_inputs)
        return values[-1]

    def _resolve(
        self,
        block: Block,
        wires: list[Wire] | None,
        slots: Mapping[str, int],
        values: Sequence[Any],
    ) -> Feed:
        if wires is None:
            return plan.default_feed(block, len(values), self._num_inputs, values)
        refs: list[Ref] = []
        for wire in wires:
            for idx in wire.idxs:
                if wire.name == SYSTEM_IN:
                    refs.append((idx, None))
                else:
                    refs.append(self._ref(block, wire.name, idx, slots[wire.name], values))
        return plan.feed_of(refs)

    def _ref(self, block: Block, name: str, idx: int, slot: int, values: Sequence[Any]) -> Ref:
        is_list = isinstance(values[slot], list | tuple)
        count = len(values[slot]) if is_list else 1
        if idx >= count:
            raise SetupError(
                f"{self.label}: block {block.name!r}: expected idxs below {count}, as {name!r}"
                f" gives {count} output{'s' if count > 1 else ''}, got idxs={idx!r}."
            )
        return (slot, idx if is_list else None)

    # Partial propagation

    def _run_part(
        self,
        inputs: Any,
        start_block: str | None,
        end_block: str | None,
        injected_data: Mapping[str, Signal],
    ) -> Any:
        start, end = self._range(start_block, end_block)
        values: list[Any] = [None] * (self._num_inputs + len(self))
        if start_block is None:
            given = inputs if isinstance(inputs, list | tuple) else [inputs]
            values[: self._num_inputs] = _padded(given, self._num_inputs)
        self._inject(values, injected_data)
        self._require_known(values, start, end, is_entered=start_block is not None)
        for position, block in enumerate(self):
            if start <= position <= end:
                is_entry = position == start and start_block is not None
                signal = inputs if is_entry else self._feeds[position].take(values)
                values[self._num_inputs + position] = block(signal)
        if self._keeps_data:
            self._kept.values = values
        return values[self._num_inputs + end]

    def _setup_then_forward(self, inputs: Any = None, **options: Any) -> Any:
        if options.get("start_block") is not None:
            raise SetupError(
                f"{self.label}: expected setup before a run from start_block, as its inputs do not"
                " tell the system's. Call setup."
            )
        return super()._setup_then_forward(inputs, **options)

    def _range(self, start_block: str | None, end_block: str | None) -> tuple[int, int]:
        names = list(self.blocks)
        for argument, name in (("start_block", start_block), ("end_block", end_block)):
            if name is not None and name not in self.blocks:
                raise SetupError(
                    f"{self.label}: expected the name of a block, got {argument}={name!r};"
                    f" {known(name, names)}"
                )
        start = 0 if start_block is None else names.index(start_block)
        end = len(names) - 1 if end_block is None else names.index(end_block)
        if start > end:
            raise SetupError(
                f"{self.label}: expected a start that does not run after the end, got"
                f" start_block={start_block!r}, end_block={end_block!r}."
            )
        return start, end

    def _inject(self, values: list[Any], injected_data: Mapping[str, Signal]) -> None:
        names = list(self.blocks)
        for name, data in injected_data.items():
            listed = list(data) if isinstance(data, list | tuple) else [data]
            if name == SYSTEM_IN:
                values[: self._num_inputs] = _padded(listed, self._num_inputs)
            elif name in self.blocks:
                slot = self._num_inputs + names.index(name)
                values[slot] = listed if self._gives_list[slot] else listed[0]
            else:
                raise SetupError(
                    f"{self.label}: expected names of blocks in injected_data, got {name!r};"
                    f" {known(name, [SYSTEM_IN, *names])}"
                )

    def _require_known(
        self, values: Sequence[Any], start: int, end: int, *, is_entered: bool
    ) -> None:
        names = [f"{SYSTEM_IN}[{idx}]" for idx in range(self._num_inputs)] + list(self.blocks)
        missing = [
            f"{names[slot]!r} (read by {list(self.blocks)[position]!r})"
            for position in range(start + is_entered, end + 1)
            for slot, _ in self._feeds[position].needs()
            if values[slot] is None and slot < self._num_inputs + start
        ]
        if missing:
            raise SetupError(
                f"{self.label}: expected injected_data for {', '.join(missing)}, got none."
                ' Give {"name": [tensors]} for what does not run in this part.'
            )


def _padded(signals: Sequence[Any], length: int) -> list[Any]:
    return [*signals[:length], *[None] * (length - len(signals))]
