from akid.models.brains import AllConvNet, ImagenetAllConvNet


def test_all_conv_net_has_the_parameters_of_its_recipe(count) -> None:
    """1,369,738 for three channels, whatever the size of the image."""
    assert count(AllConvNet(), 32) == count(AllConvNet(), 48) == 1_369_738


def test_all_conv_nets_take_a_step(step, batch) -> None:
    """Facts 4.3.24: both run, with logits of one value a class."""
    step(AllConvNet(), batch(32))
    step(ImagenetAllConvNet(class_num=10), batch(48, count=2))
