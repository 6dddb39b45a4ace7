import pytest
import torch

from akid.errors import SetupError
from akid.layers.memory import MemoryMaxPoolingLayer, MemoryReLULayer


def test_kept_switches_let_the_same_values_through() -> None:
    """Freed again, the layer is a plain rectifier."""
    layer = MemoryReLULayer()
    layer(torch.tensor([[1.0, -1.0]]))

    layer.set_state(keep_memory=True)
    assert layer(torch.tensor([[-5.0, 7.0], [3.0, 4.0]])).tolist() == [[-5, 0], [3, 0]]

    layer.set_state(keep_memory=False)
    assert layer(torch.tensor([[-5.0, 7.0]])).tolist() == [[0, 7]]
    assert list(layer.state_dict()) == []


def test_switches_that_are_to_be_kept_are_made_by_the_first_call() -> None:
    """keep_memory from the start keeps the first pattern."""
    layer = MemoryReLULayer(keep_memory=True)

    assert layer(torch.tensor([1.0, -1.0])).tolist() == [1, 0]
    assert layer(torch.tensor([-5.0, 7.0])).tolist() == [-5, 0]


def test_kept_places_are_taken_from_later_inputs() -> None:
    """One sample's places serve a whole batch."""
    layer = MemoryMaxPoolingLayer(3, 2, "SAME")
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(layer(x), torch.nn.functional.max_pool2d(x, 3, 2, 1))

    layer.set_state(keep_memory=True)
    y = torch.randn(4, 2, 5, 5)
    result = layer(y)

    flat = y.flatten(2)
    places = layer.in_group_indices[0].flatten(1)
    assert result.shape == (4, 2, 3, 3)
    assert torch.equal(result[1, 0].flatten(), flat[1, 0][places[0]])


def test_there_must_be_places_to_keep() -> None:
    """Keeping before any call is an error that says so."""
    layer = MemoryMaxPoolingLayer(2, name="mpool1")
    layer.set_state(keep_memory=True)

    with pytest.raises(SetupError, match="mpool1: expected a call before set_state"):
        layer(torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("make", [MemoryReLULayer, lambda: MemoryMaxPoolingLayer(2)])
def test_memory_layers_keep_the_layer_contract(check_layer, make) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(make, torch.randn(2, 3, 4, 4))
