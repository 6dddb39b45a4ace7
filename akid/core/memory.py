"""Memory: what the blocks of a system gave in its last call (kept activations)."""

from typing import Any, Self


class Memory:
    """Holds the outputs of one call; a copy of it is empty, as activations are no state.

    Attributes:
        values: One entry a slot of the system's plan, or None where nothing is kept.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: list[Any] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()
