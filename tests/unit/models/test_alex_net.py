from akid.models.brains import AlexNet, CifarAlexNet


def test_the_small_alex_net_has_the_parameters_of_its_recipe(batch) -> None:
    """1,068,298 for crops of 24 x 24."""
    brain = CifarAlexNet()
    brain.setup(batch(24))

    assert brain.num_parameters() == 1_068_298


def test_the_large_alex_net_leaves_five_by_five(count) -> None:
    """Facts 4.3.24: VALID works; 224 x 224 pixels come down to 256 channels of 5 x 5."""
    brain = AlexNet()
    count(brain, 224)

    assert brain["ip1/weights"].numel() == 256 * 5 * 5 * 4096


def test_the_number_of_classes_is_not_that_of_channels(count) -> None:
    """Facts 4.3.27: each has its own argument, or none."""
    brain = AlexNet(class_num=7)
    count(brain, 224, channels=1)

    assert brain["ip3/biases"].shape == (7,)
    assert brain["conv1/weights"].shape[1] == 1


def test_both_take_a_step(step, batch) -> None:
    """Forward, backward and update work."""
    step(CifarAlexNet(), batch(24))
    step(AlexNet(class_num=10, unit_num=16), batch(80))
