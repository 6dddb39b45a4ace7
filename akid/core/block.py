"""Block: a processing unit, that is a named `torch.nn.Module` with one set-up."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from akid.core import seeding
from akid.core.memory import Memory
from akid.errors import SetupError

Signal: TypeAlias = Tensor | list[Tensor]
"""What flows between blocks: a tensor, or a list of tensors."""

BlockHook: TypeAlias = Callable[["Block"], None]


class Block(nn.Module):
    """Anything that takes inputs and gives outputs: the base of layers, systems, sensors and kids.

    A subclass implements `forward(inputs)` and, if it has something to allocate, `_setup(inputs)`.
    In-channels and the like are inferred there: nobody is asked for a size that the inputs already
    have. The first call sets the block up, unless `setup` was called before; from then on a call
    costs what it costs in plain torch.

    Args:
        name: The block's name, unique within its system; a system numbers blocks that have none.
        inputs: Where a system finds this block's inputs, as `[{"name": "conv1", "idxs": [0]}]`;
            None means the previous block's output. `"system_in"` names the system's own inputs.
        bag: Free-form notes that travel with the block, for example for an Observer.

    Attributes:
        is_setup: Whether `setup` has run.
        pre_setup_hooks: Called with the block just before it is set up.
        post_setup_hooks: Called with the block just after.

    >>> import torch
    >>> class Double(Block):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> Double(name="double")(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        inputs: Sequence[dict[str, Any]] | None = None,
        bag: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if name is not None and (not name or "." in name or "/" in name):
            raise SetupError(
                f"{type(self).__name__}: expected a name without dots and slashes and not empty,"
                f" got name={name!r}. Names of blocks are joined by them."
            )
        self.name = name
        self.inputs = inputs
        self.bag = bag if bag is not None else {}
        self.is_setup = False
        self.pre_setup_hooks: list[BlockHook] = []
        self.post_setup_hooks: list[BlockHook] = []
        self._memory: Memory | None = None
        self._memory_slot = 0
        # Shadows the class's forward until the block is set up, then goes: later calls pay nothing.
        self.forward = self._setup_then_forward  # type: ignore[method-assign]

    @property
    def label(self) -> str:
        """The name for messages: the block's own, or its class's where it has none."""
        return self.name or type(self).__name__

    @property
    def data(self) -> Any:
        """What the block gave in the last call of its system, if `keep_data` is on there.

        Raises:
            SetupError: If nothing is kept.
        """
        values = self._memory.values if self._memory is not None else None
        if values is None or values[self._memory_slot] is None:
            raise SetupError(
                f"{self.label}: expected kept data, got none."
                " Call the system that holds this block, with system.keep_data = True."
            )
        return values[self._memory_slot]

    def remember_in(self, memory: Memory, slot: int) -> None:
        """Let `data` read `memory.values[slot]`; the block's system calls this."""
        self._memory, self._memory_slot = memory, slot

    def regularized(self) -> Iterable[tuple[Any, Tensor]]:
        """Give pairs of a regulariser and a parameter that it acts on; none unless overridden."""
        return ()

    def on_para_update(self) -> None:
        """Restore the block's constraints after its parameters were updated; it has none itself."""

    def reseed(self, seed: int, *, device: torch.device) -> None:
        """Draw from another stream from now on, as each of several workers does.

        A block that draws from anything but generators that are its attributes overrides this.

        Args:
            seed: Where the stream begins.
            device: Where the block computes; generators stay where they are.
        """
        del device
        for stream in vars(self).values():
            if isinstance(stream, torch.Generator):
                stream.manual_seed(seed)

    def may_run_after(self, reader: "Block") -> bool:
        """Say whether `reader`, which alone takes what this block gives, may as well run first.

        A block that says so gives the same numbers and gradients then, for less. Its system lets
        them change places while nobody looks: not with `keep_data`, nor with hooks of torch's.
        """
        del reader
        return False

    def setup(self, inputs: Any = None) -> None:
        """Infer shapes from `inputs` and allocate; a second call does nothing.

        Args:
            inputs: What `forward` will get: a tensor or a list of them, of any batch size, on the
                device where the block shall live; nothing for a block that takes no inputs.

        Raises:
            SetupError: If the inputs do not fit the block.
        """
        if self.is_setup:
            return
        for hook in self.pre_setup_hooks:
            hook(self)
        with seeding.path_scope(self.label):
            self._setup(inputs)
        self.is_setup = True
        self.__dict__.pop("forward", None)
        for hook in self.post_setup_hooks:
            hook(self)

    def _setup(self, inputs: Any) -> None:
        """Allocate what `forward` needs for such inputs; a block without state has none of it."""

    def probe(self, inputs: Any) -> Any:
        """Set up, and give what `forward` gives in evaluation mode: how a system infers shapes."""
        self.setup(inputs)
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with torch.no_grad():
                return self(inputs)
        finally:
            for module, training in modes:
                module.training = training

    def _setup_then_forward(self, inputs: Any = None, **options: Any) -> Any:
        self.setup(inputs)
        return self.forward(inputs, **options)

    def forward(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must implement forward(inputs).")
