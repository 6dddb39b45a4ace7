from akid.models.brains import OneLayerBrain


def test_one_layer_brain_has_the_parameters_of_its_recipe(batch) -> None:
    """Facts 5: 12,362 parameters for 28 x 28 grey images."""
    brain = OneLayerBrain(name="brain")
    brain.setup(batch(28, channels=1))

    assert brain.num_parameters() == 12_362


def test_one_layer_brain_learns(step, batch) -> None:
    """A step of gradient descent on a batch lowers the batch's loss."""
    before, after = step(OneLayerBrain(), batch(28, channels=1), rate=0.01)

    assert after < before
