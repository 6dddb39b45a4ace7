"""Brains and torch.compile, which takes seconds for each."""

import copy

import pytest
import torch

from akid.models import brains


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: brains.LeNet(name="brain"), (5, 1, 28, 28)),
        (lambda: brains.CifarResNet(name="brain", depth=10, width=1), (5, 3, 32, 32)),
    ],
)
def test_compiled_brains_compute_the_same(make, shape, tmp_path, monkeypatch) -> None:
    """torch.compile traces a training step of a brain as one graph."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()  # whatever was compiled before
    inputs = [torch.randn(shape), torch.arange(5)]
    brain = make()
    brain.setup(inputs)
    brain.keep_data = False
    expected = copy.deepcopy(brain)(inputs)

    torch.compile(brain, backend="aot_eager", fullgraph=True)(inputs)

    torch.testing.assert_close(brain.data_loss, expected)
    brain.data_loss.backward()
    assert brain.get_filters()[0].grad is not None
