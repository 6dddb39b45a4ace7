"""GraphSystem: blocks wired to a graph, with branches, merges, feedback, many inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from akid.core import feedback, order
from akid.core.block import Signal
from akid.core.wired_system import WiredSystem
from akid.core.wiring import SYSTEM_IN, known
from akid.errors import SetupError


class GraphSystem(WiredSystem):
    """Blocks wired by their `inputs`; they run in the order in which they were attached.

    `inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]` collects the listed
    outputs of blocks and inputs of the system; `idxs` left out means `[0]`. One tensor is handed on
    as it is, several as a list. Without `inputs` the first block takes the system's first input,
    and a later one the first output of the block before it, or all of them if it has
    `takes_list = True` as systems have. Names are resolved once, at setup.

    A wire with `"feedback": True` reads what a block, mostly a later one, gave one step ago. Then
    each call runs `unroll` steps and gradients flow through all of them. The first step reads
    `"initial"` (a number, or a tensor without batch; 0 if left out); `"shape"` declares the shape,
    without batch, where it can't be inferred. Blocks that nothing flows back from, such as loss
    layers, run in the last step only, which gives the result.

    Args:
        name: See `Block`.
        inputs: See `Block`.
        bag: See `Block`.
        outputs: What the system gives, in the form of `inputs`; None means all that the last block
            gives.
        unroll: How many steps a call runs, if there is feedback.
        sequence_idxs: Which of the system's inputs are sequences `(N, steps, ...)`: each step reads
            its own part, and `unroll` is the sequence's length.

    Shape:
        input: A tensor, or a list of them.
        output: What the last block gives, or what `outputs` names: one tensor or a list.

    >>> import torch
    >>> from akid.core.block import Block
    >>> class Add(Block):
    ...     def forward(self, terms):
    ...         return terms[0] + terms[1]
    >>> system = GraphSystem()
    >>> both = [{"name": "system_in", "idxs": [0, 1]}]
    >>> system.attach(Add(name="a", inputs=both), Add(inputs=[{"name": "a"}, {"name": "a"}]))
    >>> system([torch.ones(1), torch.ones(1)])
    tensor([4.])
    """

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
        if self._loops:
            return self._run_unrolled(values)
        keeps_data = self._keeps_data
        blocks = list(self) if keeps_data else order.swapped(self, self._swaps)
        # The hot loop: integers only, nothing is looked up by name.
        for block, (slot, pick, refs, spent) in zip(blocks, self._plan, strict=True):
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
        return self._result.take(values)

    def _run_unrolled(self, inputs: list[Any]) -> Any:
        num_steps = self._num_steps(inputs)
        states = [loop.start(inputs) for loop in self._loops]
        values: list[Any] = []
        for step in range(num_steps):
            values = [*feedback.at_step(inputs, self.sequence_idxs, step), *states]
            for position, (block, feed) in enumerate(zip(self, self._feeds, strict=True)):
                runs = step == num_steps - 1 or position in self._core
                values.append(block(feed.take(values)) if runs else None)
            states = [loop.back(values) for loop in self._loops]
        if self._keeps_data:
            self._kept.values = values
        return self._result.take(values)

    # Partial propagation

    def _run_part(
        self,
        inputs: Any,
        start_block: str | None,
        end_block: str | None,
        injected_data: Mapping[str, Signal],
    ) -> Any:
        if self._loops:
            raise SetupError(
                f"{self.label}: expected a whole run as there is feedback, got a part."
            )
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
        return self._result.take(values) if end_block is None else values[self._num_inputs + end]

    def num_inputs_until(self, end_block: str) -> int:
        """Return how many of the system's inputs are read by the blocks up to that one."""
        _, end = self._range(None, end_block)
        slots = [slot for feed in self._feeds[: end + 1] for slot, _ in feed.needs()]
        return max((slot + 1 for slot in slots if slot < self._num_inputs), default=0)

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
