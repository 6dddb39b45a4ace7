import torch

from akid.models.brains import CifarMaxoutNet, MnistMaxoutNet


def test_maxout_nets_have_the_parameters_of_their_recipes(count) -> None:
    """11,927,830 for whitened CIFAR-10, its ReLU twin fewer by the hidden units, and MNIST's."""
    assert count(CifarMaxoutNet(), 32) == 11_927_830
    assert count(CifarMaxoutNet(max_norm=True), 32) == 11_927_830
    assert count(MnistMaxoutNet(), 28, channels=1) == 420_682


def test_the_relu_twin_has_relu_where_maxout_was(count) -> None:
    """The twin keeps all channels and has 500 hidden units."""
    brain = CifarMaxoutNet(activation="relu")
    count(brain, 32)

    assert {name.rstrip("1234") for name in brain.blocks} >= {"relu"}
    assert "maxout1" not in brain.blocks
    assert brain["ip1/biases"].shape == (500,)


def test_max_norm_holds_after_a_step(step, batch) -> None:
    """The weights of each output stay in their ball."""
    brain = CifarMaxoutNet(max_norm=True, init_para={"name": "uniform", "range": 0.5})
    step(brain, batch(32, count=2))

    assert list(brain.regularized_terms()) == []
    norms = torch.linalg.vector_norm(brain["conv1/weights"].flatten(1), dim=1)
    assert norms.max() <= 0.9 + 1e-4


def test_maxout_nets_take_a_step(step, batch) -> None:
    """Forward, backward and update work."""
    step(CifarMaxoutNet(), batch(32, count=2))
    step(MnistMaxoutNet(), batch(28, channels=1))
