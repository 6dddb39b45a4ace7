import torch

from akid.models.brains import LeNet


def test_lenet_has_the_parameters_of_its_recipe(batch) -> None:
    """Facts 4.3.24 and 5: SAME pooling leaves 7 x 7 of 28 x 28, hence 1,663,370 parameters."""
    brain = LeNet(name="Brain")
    brain.setup(batch(28, channels=1))

    assert brain.num_parameters() == 1_663_370
    assert brain["ip1/weights"].numel() == 7 * 7 * 64 * 512


def test_lenet_learns(step, batch) -> None:
    """A step of gradient descent on a batch lowers the batch's loss."""
    before, after = step(LeNet(), batch(28, channels=1), rate=0.01)

    assert after < before


def test_lenet_keeps_what_its_layers_gave(batch) -> None:
    """The documentation's retrieval by name works after a plain call."""
    brain = LeNet()
    loss = brain(batch(28, channels=1))

    assert brain.get_layer_by_name("pool2").data.shape == (4, 64, 7, 7)
    assert torch.equal(brain.get_layer_by_name("loss").data, loss)
    assert 0 <= brain.evals["accuracy"].item() <= 1
