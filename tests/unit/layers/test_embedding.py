import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.embedding import EmbeddingLayer


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_each_number_has_its_row(dtype) -> None:
    """The output is the rows of the weights, in the input's shape."""
    layer = EmbeddingLayer(7, 3)
    numbers = torch.tensor([[0, 6], [2, 2]], dtype=dtype)

    result = layer(numbers)

    assert layer.weights.shape == (7, 3)
    assert torch.equal(result, layer.weights[numbers.long()])


def test_only_vectors_that_were_looked_up_get_a_gradient() -> None:
    """The others stay where they are."""
    layer = EmbeddingLayer(4, 3)
    layer(torch.tensor([1, 1])).sum().backward()

    assert layer.weights.grad.sum(1).tolist() == [0, 6, 0, 0]


def test_a_vector_is_projected_into_its_ball() -> None:
    """max_norm is of each vector; without wd there is no regulariser."""
    layer = EmbeddingLayer(4, 3, max_norm=0.5, init_para={"name": "constant", "value": 1.0})
    layer(torch.tensor([1]))

    layer.on_para_update()

    torch.testing.assert_close(layer.weights.detach().norm(dim=1), torch.full((4,), 0.5))
    assert layer.regularized() == []


def test_wrong_arguments_and_inputs_are_refused() -> None:
    """Fractions are no numbers of a vocabulary."""
    with pytest.raises(SetupError, match="num_embeddings of 1 or more, got num_embeddings=0"):
        EmbeddingLayer(0, 3)
    with pytest.raises(ShapeError, match=re.escape("whole numbers, got dtype torch.float32")):
        EmbeddingLayer(3, 3).setup(torch.zeros(2))


def test_embedding_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(lambda: EmbeddingLayer(10, 4), torch.randint(10, (2, 5)))
