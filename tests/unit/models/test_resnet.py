import pytest
import torch

from akid.core import seeding
from akid.errors import SetupError
from akid.models.brains import CifarResNet


@pytest.mark.parametrize(
    ("depth", "width", "projects", "expected"),
    [
        (16, 1, True, 175_066),
        (16, 1, False, 172_506),
        (28, 2, True, 1_467_610),
        (28, 10, True, 36_479_194),
        (16, 4, True, 2_748_890),
        (40, 4, True, 8_949_210),
    ],
)
def test_wide_resnets_have_the_parameters_of_their_recipes(
    count, depth: int, width: int, projects: bool, expected: int
) -> None:
    """Facts 5: the counts of WRN-depth-width, with and without projection."""
    brain = CifarResNet(depth=depth, width=width, projection_shortcut=projects)

    assert count(brain, 32) == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"projection_shortcut": False, "width": 2},
        {"dropout_prob": 0.3},
        {"use_gsmax": True, "group_size": 4},
        {"pool_size": 8},
    ],
)
def test_every_kind_of_resnet_takes_a_step(step, batch, options: dict) -> None:
    """Facts 4.3.27: every option works, group softmax too."""
    step(CifarResNet(**{"depth": 10, "width": 1} | options), batch(32, count=2))


def test_a_unit_adds_what_it_computes_to_its_input(batch) -> None:
    """Facts 4.3.23: the sum is a tensor of its own; a later unit's stem is the unit's raw input."""
    brain = CifarResNet(depth=16, width=1)
    brain.eval()
    brain(batch(32, count=2))
    data = {name: brain.get_layer_by_name(name).data for name in brain.blocks}

    assert torch.equal(data["res1_1"], data["res1_1b_conv"] + data["res1_1a_act"])
    assert torch.equal(data["res1_2"], data["res1_2b_conv"] + data["res1_1"])
    assert torch.equal(data["res2_1"], data["res2_1b_conv"] + data["res2_1_proj"])
    assert data["res3_1"].shape == (2, 64, 8, 8)


def test_super_classes_are_learnt_too(count) -> None:
    """With h_loss the brain has two losses, of the shares that were asked for."""
    brain = CifarResNet(depth=10, width=1, class_num=20, h_loss=True, h_ratio=0.25)
    images = torch.rand(4, 3, 32, 32)
    classes = torch.tensor([0, 7, 12, 19])
    with seeding.seed_scope(0):
        brain([images, classes // 5, classes])

    shares = [brain.get_layer_by_name(name).loss for name in ("super_loss", "loss")]
    assert torch.equal(brain.data_loss, shares[0] + shares[1])
    assert list(brain.evals) == ["super_loss/accuracy", "loss/accuracy"]
    logits = brain.get_layer_by_name("ip").data
    expected = 0.25 * torch.nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(shares[1], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "expected a depth of 6n"),
        ({"depth": 4}, "got depth=4"),
        ({"class_num": 12, "h_loss": True}, "got class_num=12"),
    ],
)
def test_wrong_options_are_errors(options: dict, message: str) -> None:
    """The message says which depths there are."""
    with pytest.raises(SetupError, match=message):
        CifarResNet(**options)
