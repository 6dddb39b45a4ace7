from akid.models.brains import PatriceNet


def test_patrice_net_has_the_parameters_of_its_recipe(count) -> None:
    """784 x 800 and 800 x 10, with biases."""
    assert count(PatriceNet(), 28, channels=1) == 636_010


def test_patrice_net_learns(step, batch) -> None:
    """A step of gradient descent on a batch lowers the batch's loss."""
    before, after = step(PatriceNet(), batch(28, channels=1), rate=0.01)

    assert after < before
