from akid.layers.loss import MSELossLayer, SoftmaxWithLossLayer
from akid.models.head import loss_of


def test_a_brain_ends_with_softmax_unless_told_otherwise() -> None:
    """The loss compares a block's output with the labels."""
    loss = loss_of("ip2", 7)

    assert isinstance(loss, SoftmaxWithLossLayer)
    assert loss.class_num == 7
    assert loss.name == "loss"


def test_another_loss_takes_its_place() -> None:
    """A class and its arguments are enough."""
    loss = loss_of("ip2", 7, (MSELossLayer, {"multiplier": 0.5}))

    assert isinstance(loss, MSELossLayer)
    assert loss.multiplier == 0.5
    assert loss.inputs == [{"name": "ip2", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
