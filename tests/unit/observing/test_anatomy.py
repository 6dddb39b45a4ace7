import pytest
import torch

from akid.errors import SetupError
from akid.observing import anatomy


def test_leaves_are_named_by_paths(brain) -> None:
    """Blocks of a nested system have its name before them, as `get_layer_by_name` takes it."""
    paths = [path for path, _ in anatomy.leaves(brain)]

    assert paths == ["conv1", "relu1", "pool1", "head/ip1", "head/drop1", "ip2", "loss"]
    assert all(brain.get_layer_by_name(path) is block for path, block in anatomy.leaves(brain))


def test_a_systems_name_stands_for_all_that_it_holds(brain) -> None:
    """Names are taken in the order in which they come."""
    assert list(anatomy.named(brain, ["ip2", "head"])) == ["ip2", "head/ip1", "head/drop1"]
    with pytest.raises(SetupError, match="Did you mean 'conv1'"):
        anatomy.named(brain, "conv")


def test_thinking_changes_nothing(brain) -> None:
    """No mode, no random number, no gradient, no kept data."""
    batch = [torch.rand(4, 1, 6, 8), torch.tensor([0, 1, 0, 1])]
    brain.setup(batch)
    brain.keep_data = False
    brain.blocks["conv1"].eval()
    state = torch.get_rng_state()

    with anatomy.thinking(brain, batch) as outputs:
        assert not brain.training
        assert outputs["relu1"][0].shape == (4, 4, 6, 8)
        assert not outputs["ip2"][0].requires_grad

    assert brain.training
    assert not brain.blocks["conv1"].training
    assert not brain.keep_data
    assert torch.equal(torch.get_rng_state(), state)


def test_the_brain_is_put_back_when_looking_fails(brain) -> None:
    """The error goes on."""
    batch = [torch.rand(4, 1, 6, 8), torch.tensor([0, 1, 0, 1])]
    brain.setup(batch)

    with pytest.raises(RuntimeError), anatomy.thinking(brain, [torch.rand(4, 3, 6, 8), batch[1]]):
        pass

    assert brain.training
