"""Summary: what a system is made of, as a table of blocks, output shapes, parameters and FLOPs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from akid.core.block import Block
from akid.core.system import System
from akid.errors import SetupError


@dataclass(frozen=True, kw_only=True)
class Row:
    """A block of the table.

    Attributes:
        path: The block's name, behind those of the systems that it is in.
        kind: Its class.
        shapes: The shapes of its outputs for one sample, with the batch of one.
        num_parameters: How many numbers it trains.
        flops: The floating point operations of matrix products and convolutions in one forward of
            one sample; a multiplication and its addition are two.
    """

    path: str
    kind: str
    shapes: tuple[tuple[int, ...], ...]
    num_parameters: int
    flops: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The table; `str` draws it.

    Attributes:
        rows: The blocks in the order in which they run; the blocks of a nested system stand for it.
    """

    rows: tuple[Row, ...]

    @property
    def num_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(row.num_parameters for row in self.rows)

    @property
    def flops(self) -> int:
        """The floating point operations of one forward of one sample."""
        return sum(row.flops for row in self.rows)

    def __str__(self) -> str:
        lines = [("block", "kind", "output", "parameters", "FLOPs")]
        lines += [
            (
                row.path,
                row.kind,
                ", ".join(map(_drawn, row.shapes)),
                f"{row.num_parameters:,}",
                f"{row.flops:,}",
            )
            for row in self.rows
        ]
        lines.append(("total", "", "", f"{self.num_parameters:,}", f"{self.flops:,}"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(_line(cells, widths) for cells in lines)


def summarize(system: System, inputs: Any) -> Summary:
    """Run one sample through a copy of `system` that shares its tensors, and tell what happened.

    Args:
        system: A system that is set up.
        inputs: The system's inputs, for one sample.

    Raises:
        SetupError: If the system is not set up.
    """
    if not system.is_setup:
        raise SetupError(f"{system.label}: expected setup before a summary. Call setup(inputs).")
    twin = system.twin().eval()
    rows: dict[str, Row] = {}
    counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    for path, block in leaves(twin):
        _watch(path, block, counter, rows)
    with torch.no_grad(), counter:
        twin(inputs)
    return Summary(rows=tuple(rows.values()))


def leaves(system: System, before: str = "") -> list[tuple[str, Block]]:
    """Return all blocks with their paths; in place of a nested system, those in it."""
    found: list[tuple[str, Block]] = []
    for block in system:
        path = f"{before}{block.name}"
        found += leaves(block, f"{path}/") if isinstance(block, System) else [(path, block)]
    return found


def _of_attention(
    queries: torch.Size, keys: torch.Size, values: torch.Size, *_: Any, **__: Any
) -> int:
    return int(sdpa_flop_count(queries, keys, values))  # type: ignore[no-untyped-call]


def _of_cells(
    inputs: torch.Size, weights: torch.Size, memory_weights: torch.Size, *_: Any, **__: Any
) -> int:
    steps_and_samples = inputs[0] * inputs[1]
    return 2 * steps_and_samples * (weights.numel() + memory_weights.numel())


_FORMULAS: Final = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _of_attention,  # noqa: SLF001
    torch.ops.aten.mkldnn_rnn_layer: _of_cells,
}
"""What torch does not count by itself: attention and long short-term memory on a CPU."""


def _watch(path: str, block: Block, counter: FlopCounterMode, rows: dict[str, Row]) -> None:
    starts: list[int] = []

    def start(*_: Any) -> None:
        starts.append(counter.get_total_flops())

    def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
        before = rows[path].flops if path in rows else 0  # a block in a loop runs several times
        flops = counter.get_total_flops() - starts.pop()
        parameters = [parameter for parameter in block.parameters() if parameter.requires_grad]
        rows[path] = Row(
            path=path,
            kind=type(block).__name__,
            shapes=_shapes(output),
            num_parameters=sum(parameter.numel() for parameter in parameters),
            flops=before + flops,
        )

    block.register_forward_pre_hook(start)
    block.register_forward_hook(stop)


def _shapes(output: Any) -> tuple[tuple[int, ...], ...]:
    outputs = output if isinstance(output, list | tuple) else [output]
    return tuple(tuple(tensor.shape) for tensor in outputs if isinstance(tensor, Tensor))


def _drawn(shape: Sequence[int]) -> str:
    return f"({', '.join(['N', *map(str, shape[1:])])})" if shape else "()"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "  ".join([*texts, *numbers])
