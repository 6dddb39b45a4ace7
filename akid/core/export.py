"""Export: the part of a brain that predicts, as a file that runs without akid."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.errors import SetupError


def export(brain: Brain, path: str | Path, *, end_block: str | None = None) -> Path:
    """Write the inference part of a brain, in evaluation mode, for batches of any size.

    Args:
        brain: A brain that is set up; it stays as it is.
        path: The file to write; torch wants it to end in `.pt2`.
        end_block: The block whose output the exported program gives; None means the last one that
            is no loss and no evaluation layer.

    Returns:
        The file's path.

    Raises:
        SetupError: If the brain is not set up, or has no such block.
    """
    if not brain.is_setup:
        raise SetupError(f"{brain.label}: expected setup before export. Call setup(inputs).")
    end_block = end_block or _last_that_predicts(brain)
    examples = brain.example_inputs(sample_num=2)
    examples = [examples] if isinstance(examples, Tensor) else examples
    examples = examples[: brain.num_inputs_until(end_block)]
    sizes = {"inputs": tuple({0: torch.export.Dim.AUTO} for _ in examples)}
    program = _Inference(brain, end_block)
    exported = torch.export.export(program, tuple(examples), dynamic_shapes=sizes)
    path = Path(path)
    torch.export.save(exported, path)
    return path


def load(path: str | Path) -> nn.Module:
    """Return the program that `export` wrote: call it with the data, not in a list."""
    return torch.export.load(Path(path)).module()


class _Inference(nn.Module):
    """A brain up to a block, as a module that takes the inputs one by one."""

    def __init__(self, brain: Brain, end_block: str) -> None:
        super().__init__()
        self.brain = brain.twin()
        self.brain.keep_data = False
        self.end_block = end_block
        self.eval()

    def forward(self, *inputs: Tensor) -> Any:
        return self.brain(list(inputs), end_block=self.end_block)


def _last_that_predicts(brain: Brain) -> str:
    names = [name for name, block in brain.blocks.items() if not isinstance(block, Judge)]
    if not names:
        raise SetupError(f"{brain.label}: expected a block that predicts, got only judges.")
    return names[-1]
