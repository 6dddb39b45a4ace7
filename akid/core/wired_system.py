"""WiredSystem: how blocks that are wired to each other are set up."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from akid.core import feedback, order, plan, wiring
from akid.core.block import Block
from akid.core.feedback import Loop
from akid.core.plan import Feed, Ref, Step
from akid.core.system import System
from akid.core.wiring import SYSTEM_IN, Wire
from akid.errors import SetupError

Wires = Sequence[list[Wire] | None]


class WiredSystem(System):
    """The set-up of a `GraphSystem`: it resolves the blocks' `inputs` to a plan of integers.

    Slots number what a step works with: the system's inputs, then what flows back from the step
    before, then each block's output.

    Args:
        name: See `Block`.
        inputs: See `Block`.
        bag: See `Block`.
        outputs: See `GraphSystem`.
        unroll: See `GraphSystem`.
        sequence_idxs: See `GraphSystem`.
    """

    NAME: ClassVar[str] = "system"

    def __init__(
        self,
        name: str | None = None,
        *,
        inputs: Sequence[dict[str, Any]] | None = None,
        bag: dict[str, Any] | None = None,
        outputs: Sequence[dict[str, Any]] | None = None,
        unroll: int | None = None,
        sequence_idxs: Sequence[int] = (),
    ) -> None:
        super().__init__(name, inputs=inputs, bag=bag)
        if unroll is not None and unroll < 1:
            raise SetupError(f"{self.label}: expected unroll of 1 or more, got {unroll=!r}.")
        self.outputs = outputs
        self.unroll = unroll
        self.sequence_idxs = tuple(sequence_idxs)
        self._num_inputs = 0
        self._offset = 0
        self._feeds: list[Feed] = []
        self._plan: list[Step] = []
        self._result = Feed(-1, None, None)
        self._gives_list: list[bool] = []
        self._loops: list[Loop] = []
        self._core: frozenset[int] = frozenset()
        self._swaps: list[int] = []

    def _setup_blocks(self, sample: Any) -> Any:
        wires = wiring.read(list(self.blocks), [block.inputs for block in self], who=self.label)
        self._loops = feedback.loops_of(wires)
        # The first input tells how many samples flow back, even if no block reads it.
        self._num_inputs = max(plan.num_inputs(wires), 1 if self._loops else 0)
        self._offset = self._num_inputs + len(self._loops)
        inputs = self._first_step(self._input_values(sample))
        if self._loops:
            self._infer_shapes(inputs, wires)
        values = self._probe_blocks([*inputs, *(loop.start(inputs) for loop in self._loops)], wires)
        self._gives_list = [isinstance(value, list | tuple) for value in values]
        self._result = self._resolve_outputs(values)
        self._plan = plan.steps_of(self._feeds, self._offset, self._result)
        self._swaps = order.swaps(list(self), self._feeds, self._offset, self._result)
        self._core = feedback.core(self._loops, self._feeds, self._num_inputs)
        return self._result.take(values)

    def _resolve_outputs(self, values: Sequence[Any]) -> Feed:
        if self.outputs is None:
            return Feed(len(values) - 1, None, None)
        wires = wiring.read_outputs(list(self.blocks), self.outputs, who=self.label)
        return plan.feed_of(self._refs("outputs", wires, iter(()), values))

    def _input_values(self, inputs: Any) -> list[Any]:
        if not isinstance(inputs, list | tuple):
            inputs = [inputs]
        if len(inputs) < self._num_inputs:
            raise SetupError(
                f"{self.label}: expected {self._num_inputs} inputs as its blocks read"
                f" {SYSTEM_IN!r}[{self._num_inputs - 1}], got {len(inputs)}."
            )
        return [*inputs[: self._num_inputs]]

    def _probe_blocks(self, values: list[Any], wires: Wires) -> list[Any]:
        """Set each block up with what it takes, and return what then lies in all slots."""
        self._feeds = []
        loops = iter(range(self._num_inputs, self._offset))
        for block, entries in zip(self, wires, strict=True):
            feed = self._resolve(block, entries, loops, values)
            self._feeds.append(feed)
            if self._loops:
                feedback.guess(feed, values, range(self._num_inputs, self._offset))
            block.remember_in(self._kept, len(values))
            values.append(self._probe_block(block, feed.take(values)))
        self._loops = [
            replace(loop, ref=self._ref(loop.name, loop.idx, values, who="feedback"))
            for loop in self._loops
        ]
        return values

    def _resolve(
        self,
        block: Block,
        wires: list[Wire] | None,
        loops: Iterator[int],
        values: Sequence[Any],
    ) -> Feed:
        if wires is None:
            return plan.default_feed(block, len(values), self._offset, values)
        return plan.feed_of(self._refs(f"block {block.name!r}", wires, loops, values))

    def _refs(
        self, who: str, wires: list[Wire], loops: Iterator[int], values: Sequence[Any]
    ) -> list[Ref]:
        refs: list[Ref] = []
        for wire in wires:
            for idx in wire.idxs:
                if wire.feedback:
                    refs.append((next(loops), None))
                elif wire.name == SYSTEM_IN:
                    refs.append((idx, None))
                else:
                    refs.append(self._ref(wire.name, idx, values, who=who))
        return refs

    def _ref(self, name: str, idx: int, values: Sequence[Any], *, who: str) -> Ref:
        slot = self._offset + list(self.blocks).index(name)
        is_list = isinstance(values[slot], list | tuple)
        count = len(values[slot]) if is_list else 1
        if idx >= count:
            raise SetupError(
                f"{self.label}: {who}: expected idxs below {count}, as {name!r}"
                f" gives {count} output{'s' if count > 1 else ''}, got idxs={idx!r}."
            )
        return (slot, idx if is_list else None)

    # Feedback

    def _num_steps(self, inputs: Sequence[Any]) -> int:
        lengths = {int(inputs[idx].shape[1]) for idx in self.sequence_idxs}
        lengths |= set() if self.unroll is None else {self.unroll}
        if len(lengths) != 1:
            raise SetupError(
                f"{self.label}: expected one number of steps, got {sorted(lengths) or 'none'} of"
                f" unroll={self.unroll!r} and sequence_idxs={list(self.sequence_idxs)}."
                " Give unroll to a system with feedback, or sequences of one length."
            )
        return lengths.pop()

    def _first_step(self, inputs: list[Any]) -> list[Any]:
        if self._loops:
            self._num_steps(inputs)
            return list(feedback.at_step(inputs, self.sequence_idxs, 0))
        if self.unroll is None and not self.sequence_idxs:
            return inputs
        raise SetupError(
            f"{self.label}: expected a feedback edge among the blocks' inputs, got none but"
            f" unroll={self.unroll!r}, sequence_idxs={list(self.sequence_idxs)}."
        )

    def _infer_shapes(self, inputs: list[Any], wires: Wires) -> None:
        """Find the shapes of what flows back, until what is read is what comes back."""
        is_declared = [loop.shape is not None for loop in self._loops]
        for _ in range(feedback.GUESSES):
            read, back = self._try_shapes(inputs, wires)
            if read == back:
                self._loops = [
                    replace(loop, shape=shape)
                    for loop, shape in zip(self._loops, back, strict=True)
                ]
                return
            for loop, declared, one, other in zip(
                self._loops, is_declared, read, back, strict=True
            ):
                if declared and one != other:
                    raise SetupError(
                        f"{self.label}: expected feedback from {loop.name!r} of the declared shape"
                        f" {one}, without batch, got {other}."
                    )
            self._loops = [
                replace(loop, shape=shape) for loop, shape in zip(self._loops, back, strict=True)
            ]
        raise SetupError(
            f"{self.label}: expected feedback whose shape stays, got {back} for {read} from"
            f" {[loop.name for loop in self._loops]}. {feedback.ADVICE}"
        )

    def _try_shapes(self, inputs: list[Any], wires: Wires) -> tuple[list[Any], list[Any]]:
        """Run a copy of the system once; return the shapes that flow back as read and as given."""
        trial = copy.deepcopy(self)
        try:
            values = trial._probe_blocks(  # noqa: SLF001
                [*inputs, *(loop.start(inputs) for loop in self._loops)], wires
            )
        except Exception as error:
            error.add_note(f"... while {self.label} inferred feedback. {feedback.ADVICE}")
            raise
        read = values[self._num_inputs : self._offset]
        back = [loop.back(values) for loop in trial._loops]  # noqa: SLF001
        return [tuple(x.shape[1:]) for x in read], [tuple(x.shape[1:]) for x in back]
