"""Export: the part of a brain that predicts, as a file that runs without akid."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from akid.core.brain import Brain
from akid.core.judge import Judge
from akid.errors import SetupError


def export(brain: Brain, path: str | Path, *, end_block: str | None = None) -> Path:
    """Write the inference part of a brain, in evaluation mode, for batches of any size.

    Args:
        brain: A brain that is set up; it stays as it is.
        path: The file to write: a program of `torch.export` if its name ends in ".pt2", an ONNX
            model, weights included, if it ends in ".onnx".
        end_block: The block whose output the exported program gives; None means the last one that
            is no loss and no evaluation layer.

    Returns:
        The file's path.

    Raises:
        SetupError: If the brain is not set up or has no such block, if the name ends otherwise, or
            if it asks for ONNX and the packages onnx and onnxscript are not installed.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise SetupError(
            f"export: expected a file whose name ends in one of {list(_WRITERS)}, got"
            f" path={str(path)!r}."
        )
    _WRITERS[path.suffix](trace(brain, end_block=end_block), path)
    return path


def trace(brain: Brain, *, end_block: str | None = None) -> ExportedProgram:
    """Return the inference part of a brain as a program; see `export`."""
    if not brain.is_setup:
        raise SetupError(f"{brain.label}: expected setup before export. Call setup(inputs).")
    end_block = end_block or _last_that_predicts(brain)
    examples = brain.example_inputs(sample_num=2)
    examples = [examples] if isinstance(examples, Tensor) else examples
    examples = examples[: brain.num_inputs_until(end_block)]
    sizes = {"inputs": tuple({0: torch.export.Dim.AUTO} for _ in examples)}
    program = _Inference(brain, end_block)
    return torch.export.export(program, tuple(examples), dynamic_shapes=sizes)


def _write_program(program: ExportedProgram, path: Path) -> None:
    torch.export.save(program, path)


def _write_onnx(program: ExportedProgram, path: Path) -> None:
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise SetupError(
            f"export: expected the packages onnx and onnxscript for {str(path)!r}, got none of"
            f" {missing}. Install them, or export to a file that ends in '.pt2'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the exporter calls what torch deprecates
        torch.onnx.export(program, (), path, dynamo=True, verbose=False, external_data=False)


_WRITERS: Final = {".pt2": _write_program, ".onnx": _write_onnx}


def load(path: str | Path) -> nn.Module:
    """Return the program that `export` wrote to a ".pt2" file.

    Call it with the brain's inputs one by one, not in a list, and without the labels.

    Raises:
        SetupError: If the file's name does not end in ".pt2".
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise SetupError(
            f"load: expected a file whose name ends in '.pt2', got path={str(path)!r}."
            " An ONNX model is run by an ONNX runtime, without akid and torch."
        )
    return torch.export.load(path).module()


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
