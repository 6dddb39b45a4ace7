"""Systems: blocks put together to a more complex block (containers of a topology)."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch import Tensor, nn

from akid.core.block import Block
from akid.core.memory import Memory
from akid.core.wiring import SYSTEM_IN, known
from akid.errors import SetupError

_SAMPLES = 2
_Spec: TypeAlias = tuple[tuple[int, ...], torch.dtype, bool]
"""The shape of an input, its dtype, and whether its first dimension is the batch, left out."""


class System(Block):
    """A block that holds blocks; a subclass says how signals flow among them.

    Blocks are attached in the order in which they run. One without a name gets one by its kind
    (the class attribute `NAME`, or else the class's name): conv1, relu1, pool1, conv2, ...

    Args:
        name: See `Block`.
        inputs: See `Block`.
        bag: See `Block`.

    Attributes:
        blocks: The blocks by name, in order.
    """

    NAME: ClassVar[str] = "system"
    takes_list: ClassVar[bool] = True

    def __init__(
        self,
        name: str | None = None,
        *,
        inputs: Sequence[dict[str, Any]] | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, inputs=inputs, bag=bag)
        self.blocks = nn.ModuleDict()
        self._kept = Memory()
        self._keeps_data = True
        self._input_specs: list[_Spec] = []
        self._takes_one_tensor = False

    def attach(self, *blocks: Block | Iterable[Any]) -> None:
        """Add blocks at the end; lists of blocks, also nested ones, are taken one by one.

        Raises:
            SetupError: If something is not a block, a name is taken, or the system is set up.
        """
        for block in _flat(blocks, who=self.label):
            self._attach(block)

    def _attach(self, block: Block) -> None:
        if self.is_setup:
            raise SetupError(
                f"{self.label}: expected attach before setup, got {block.label!r} after it."
                " Build another system."
            )
        name = block.name or self._free_name(block)
        if name in self.blocks or name == SYSTEM_IN:
            raise SetupError(
                f"{self.label}: expected a name that is free, got name={name!r} of a"
                f" {type(block).__name__}. Taken: {', '.join(map(repr, self.blocks))},"
                f" {SYSTEM_IN!r}."
            )
        block.name = name
        try:
            self.blocks[name] = block
        except KeyError as error:
            raise SetupError(
                f"{self.label}: expected a name that torch does not use for itself, got"
                f" name={name!r} of a {type(block).__name__}. Choose another."
            ) from error
        if isinstance(block, System) and not self._keeps_data:
            block.keep_data = False

    def _free_name(self, block: Block) -> str:
        kind = getattr(block, "NAME", None) or type(block).__name__.lower()
        number = 1
        while f"{kind}{number}" in self.blocks:
            number += 1
        return f"{kind}{number}"

    @property
    def keep_data(self) -> bool:
        """Whether blocks remember what they gave (`data`), here and in nested systems.

        Off, an output is freed after its last use, as in plain torch.
        """
        return self._keeps_data

    @keep_data.setter
    def keep_data(self, keep: bool) -> None:
        self._keeps_data = keep
        if not keep:
            self._kept.values = None
        for block in self:
            if isinstance(block, System):
                block.keep_data = keep

    def get_layer_by_name(self, name: str) -> Block:
        """Return the block of that name; "outer/inner" is a block of a nested system.

        Raises:
            SetupError: If there is none; the message lists the names that are known.
        """
        first, _, rest = name.partition("/")
        if first not in self.blocks:
            raise SetupError(
                f"{self.label}: expected the name of a block, got {name!r};"
                f" {known(first, self.blocks)}"
            )
        block = self.blocks[first]
        assert isinstance(block, Block)
        if not rest:
            return block
        if not isinstance(block, System):
            raise SetupError(
                f"{self.label}: expected {first!r} to be a system, as {name!r} asks for a block"
                f" in it, got a {type(block).__name__}."
            )
        return block.get_layer_by_name(rest)

    def get_last_layer_name(self) -> str:
        """Return the name of the block that was attached last.

        Raises:
            SetupError: If there is none.
        """
        self._require_blocks()
        return list(self.blocks)[-1]

    def setup(self, inputs: Any = None) -> None:
        """Set every block up, each with what it will get, inferred from two samples of `inputs`.

        Raises:
            SetupError: If the blocks do not fit each other or the inputs.
        """
        super().setup(inputs)
        self.__dict__.pop("_sample_output", None)

    def probe(self, inputs: Any) -> Any:
        if self.is_setup:
            return super().probe(inputs)
        super().setup(inputs)
        return self.__dict__.pop("_sample_output")

    def example_inputs(self, *, sample_num: int = 1) -> Any:
        """Return zeros of the form of the inputs that the system was set up with.

        Raises:
            SetupError: If the system is not set up, or was set up with something else than tensors.
        """
        if not self._input_specs:
            raise SetupError(f"{self.label}: expected a setup with tensors, got none to go by.")
        device = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        examples = [
            torch.zeros((sample_num, *shape) if is_batch else shape, dtype=dtype, device=device)
            for shape, dtype, is_batch in self._input_specs
        ]
        return examples[0] if self._takes_one_tensor else examples

    def twin(self) -> Self:
        """Return a copy that shares parameters and buffers: a run of it leaves no trace here."""
        tensors = [*self.parameters(), *self.buffers()]
        return copy.deepcopy(self, {id(tensor): tensor for tensor in tensors})

    def _setup(self, inputs: Any) -> None:
        self._require_blocks()
        self._takes_one_tensor = isinstance(inputs, Tensor)
        self._input_specs = _specs([inputs] if self._takes_one_tensor else inputs)
        # `probe` takes it: a nested system runs its sample once, not once a level.
        self.__dict__["_sample_output"] = self._setup_blocks(_sample(inputs))

    def _setup_blocks(self, sample: Any) -> Any:
        """Set the blocks up with `sample` and return what the system gives for it."""
        raise NotImplementedError(f"{type(self).__name__} must implement _setup_blocks(sample).")

    def _probe_block(self, block: Block, sample: Any) -> Any:
        try:
            output = block.probe(sample)
        except Exception as error:
            error.add_note(
                f"... while {self.label} set up its block {block.name!r}"
                f" ({type(block).__name__}) with inputs {_describe(sample)}."
            )
            raise
        if output is None:
            raise SetupError(
                f"{self.label}: expected block {block.name!r} ({type(block).__name__}) to give"
                " something, got None. Let its forward return its output."
            )
        return output

    def _require_blocks(self) -> None:
        if not self.blocks:
            raise SetupError(f"{self.label}: expected blocks, got none. Call attach(block) first.")

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks.values())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.blocks)


class SequentialSystem(System):
    """Blocks in a row: each takes all that the one before it gives.

    >>> import torch
    >>> class Double(Block):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> system = SequentialSystem()
    >>> system.attach(Double(), Double())
    >>> system(torch.ones(1)), list(system.blocks)
    (tensor([4.]), ['double1', 'double2'])
    """

    def _setup_blocks(self, sample: Any) -> Any:
        for slot, block in enumerate(self):
            if block.inputs is not None:
                raise SetupError(
                    f"{self.label}: expected blocks without inputs in a row, got"
                    f" inputs={block.inputs!r} of {block.name!r}. Use a GraphSystem."
                )
            block.remember_in(self._kept, slot)
            sample = self._probe_block(block, sample)
        return sample

    def forward(self, inputs: Any) -> Any:
        if self._keeps_data:
            return self._forward_and_keep(inputs)
        for block in self.blocks.values():
            inputs = block(inputs)
        return inputs

    def _forward_and_keep(self, inputs: Any) -> Any:
        values = []
        for block in self.blocks.values():
            inputs = block(inputs)
            values.append(inputs)
        self._kept.values = values
        return inputs


def _flat(blocks: Iterable[Any], *, who: str) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Block):
            yield block
        elif isinstance(block, list | tuple):
            yield from _flat(block, who=who)
        else:
            raise SetupError(
                f"{who}: expected blocks, or lists of blocks, to attach, got {block!r} of type"
                f" {type(block).__name__}. Wrap a torch module in a Block."
            )


def _sample(inputs: Any) -> Any:
    """Cut the batch down to two samples."""
    if isinstance(inputs, Tensor):
        return inputs[:_SAMPLES] if inputs.ndim else inputs
    if not isinstance(inputs, list | tuple):
        return inputs
    are_batches = _are_batches(inputs)
    return [
        signal[:_SAMPLES] if is_batch else signal
        for signal, is_batch in zip(inputs, are_batches, strict=True)
    ]


def _are_batches(signals: Sequence[Any]) -> list[bool]:
    """Say which signals hold samples: those of the first size that the first tensor has."""
    sizes = [x.shape[0] if isinstance(x, Tensor) and x.ndim else None for x in signals]
    first = next((size for size in sizes if size is not None), None)
    return [size is not None and size == first for size in sizes]


def _specs(inputs: Any) -> list[_Spec]:
    if not isinstance(inputs, list | tuple) or not all(isinstance(x, Tensor) for x in inputs):
        return []
    return [
        (tuple(x.shape[1:]) if is_batch else tuple(x.shape), x.dtype, is_batch)
        for x, is_batch in zip(inputs, _are_batches(inputs), strict=True)
    ]


def _describe(signal: Any) -> str:
    if isinstance(signal, Tensor):
        return f"{tuple(signal.shape)} of {signal.dtype}"
    if isinstance(signal, list | tuple):
        return f"[{', '.join(map(_describe, signal))}]"
    return repr(signal)
