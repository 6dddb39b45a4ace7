from akid.layers.hinge_loss import HingeLossLayer
from akid.models.brains import VGGNet


def test_vgg_has_the_parameters_of_its_recipe(count) -> None:
    """8,695,902 for 32 x 32."""
    assert count(VGGNet(), 32) == 8_695_902


def test_the_last_normalisation_of_vgg_is_alive(batch, step) -> None:
    """Facts 4.3.26: the loss reads the normalised logits, so their scale is trained."""
    brain = VGGNet()
    step(brain, batch(32))

    assert brain["bn_out/gamma"].grad.abs().sum() > 0


def test_vgg_takes_another_loss() -> None:
    """loss_layer gives the class and its arguments."""
    brain = VGGNet(class_num=1, loss_layer=(HingeLossLayer, {}))

    loss = brain.get_layer_by_name("loss")
    assert isinstance(loss, HingeLossLayer)
    assert [entry["name"] for entry in loss.inputs] == ["bn_out", "system_in"]
