from akid.models.brains import MnistTfTutorialNet


def test_the_tutorials_net_has_the_parameters_of_its_recipe(count) -> None:
    """As many as LeNet: dropout has none."""
    assert count(MnistTfTutorialNet(), 28, channels=1) == 1_663_370


def test_the_tutorials_net_has_its_biases_and_decay(batch) -> None:
    """Biases start from 0, 0.1, 0.1 and 0.1, and every weight is decayed."""
    brain = MnistTfTutorialNet()
    brain.setup(batch(28, channels=1))

    starts = [brain[f"{name}/biases"][0].item() for name in ("conv1", "conv2", "ip1", "ip2")]
    assert [round(start, 6) for start in starts] == [0, 0.1, 0.1, 0.1]
    assert len(list(brain.regularized_terms())) == 4


def test_the_tutorials_net_takes_a_step(step, batch) -> None:
    """Forward, backward and update work."""
    step(MnistTfTutorialNet(init_para={"name": "default"}), batch(28, channels=1))
