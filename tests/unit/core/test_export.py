import sys

import pytest
import torch
from torch import nn

from akid.core.block import Block
from akid.core.brain import Brain
from akid.core.export import export, load
from akid.core.judge import Judge
from akid.errors import SetupError


class Linear(Block):
    NAME = "ip"

    def _setup(self, x):
        self.weights = nn.Parameter(torch.rand(4, x.shape[1]))

    def forward(self, x):
        return x @ self.weights.T + (100 if self.training else 0)


class Square(Judge):
    NAME = "loss"

    def forward(self, inputs):
        self.loss = ((inputs[0] - inputs[1]) ** 2).mean()
        return self.loss


def made() -> Brain:
    brain = Brain(name="brain")
    brain.attach(
        Linear(name="ip1"),
        Linear(name="ip2"),
        Square(inputs=[{"name": "ip2"}, {"name": "system_in", "idxs": [1]}]),
    )
    return brain


def test_an_exported_brain_predicts_as_the_brain_does(tmp_path) -> None:
    """The program needs no labels, takes any batch, and is in evaluation mode."""
    brain = made()
    loss = brain([torch.rand(8, 3), torch.rand(8, 4)])

    program = load(export(brain, tmp_path / "brain.pt2"))

    for count in (1, 2, 5):
        x = torch.rand(count, 3)
        expected = brain.eval()([x], end_block="ip2")
        torch.testing.assert_close(program(x), expected)
    assert brain.get_layer_by_name("loss1").loss is None
    assert loss.requires_grad


def test_exporting_leaves_the_brain_as_it_was(tmp_path) -> None:
    """Mode, kept data and loss of the last call stay."""
    brain = made()
    loss = brain([torch.rand(8, 3), torch.rand(8, 4)])

    export(brain, tmp_path / "brain.pt2")

    assert brain.training
    assert brain.keep_data
    assert brain.data_loss is loss


def test_a_block_can_be_named_as_the_end(tmp_path) -> None:
    """end_block gives the features of that block."""
    brain = made()
    brain([torch.rand(8, 3), torch.rand(8, 4)])
    x = torch.rand(3, 3)

    program = load(export(brain, tmp_path / "features.pt2", end_block="ip1"))

    torch.testing.assert_close(program(x), brain.eval()([x], end_block="ip1"))


def test_export_needs_setup_and_a_block_that_is_there(tmp_path) -> None:
    """Both are errors that say what to do."""
    brain = made()
    with pytest.raises(SetupError, match="expected setup before export"):
        export(brain, tmp_path / "x.pt2")
    brain.setup([torch.rand(8, 3), torch.rand(8, 4)])
    with pytest.raises(SetupError, match="got end_block='ip3'; known: 'ip1'"):
        export(brain, tmp_path / "x.pt2", end_block="ip3")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    """The endings that are known are listed."""
    with pytest.raises(SetupError, match=r"one of \['.pt2', '.onnx'\], got path='.*brain.pth'"):
        export(made(), tmp_path / "brain.pth")


def test_only_programs_are_loaded(tmp_path) -> None:
    """Of an ONNX model it is said who runs it."""
    with pytest.raises(SetupError, match=r"got path='.*brain.onnx'\. An ONNX model is run by"):
        load(tmp_path / "brain.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_onnx_it_is_said_what_to_install(tmp_path, monkeypatch, missing: str) -> None:
    """Nothing is written, and the other kind of file is named."""
    brain, path = made(), tmp_path / "brain.onnx"
    brain.setup([torch.rand(8, 3), torch.rand(8, 4)])
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed

    with pytest.raises(SetupError, match=f"packages onnx and onnxscript .*'{missing}'.*'.pt2'"):
        export(brain, path)

    assert not path.exists()


def test_an_onnx_model_computes_the_same(tmp_path) -> None:
    """ONNX's own evaluator agrees with the brain."""
    reference = pytest.importorskip("onnx.reference")
    pytest.importorskip("onnxscript")
    brain, path, x = made(), tmp_path / "brain.onnx", torch.rand(5, 3)
    brain.setup([torch.rand(8, 3), torch.rand(8, 4)])

    model = reference.ReferenceEvaluator(str(export(brain, path)))
    (result,) = model.run(None, {model.input_names[0]: x.numpy()})

    expected = brain.eval()([x], end_block="ip2")
    torch.testing.assert_close(torch.from_numpy(result), expected)
